"""Our decoder gives the logits of transformers' GPT-2, Llama, Mistral, Qwen3 and its mixture.

Random weights are drawn by transformers, in a Python of its own (`--peer`), and copied; then logits
of the whole and of cached steps must agree within 1e-4 in float32.

    python benchmarks/parity_transformers.py --peer OTHER/bin/python
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, write

TOLERANCE = 1e-4
VOCABULARY, WIDTH, DEPTH, HEADS, HIDDEN, LENGTH = 97, 48, 3, 6, 80, 40
KINDS = ("gpt2", "llama", "mistral", "qwen3", "qwen3_moe")
WINDOW, SHARED, EXPERTS, ACTIVE, EPSILON = 7, 2, 6, 2, 1e-5


def dump(folder: Path) -> None:
    """What the peer does: draw nets, write weights, symbols and logits."""
    import torch
    import transformers as hf

    common = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": HIDDEN,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "num_key_value_heads": SHARED,
        "rms_norm_eps": EPSILON,
        "tie_word_embeddings": False,
        "head_dim": WIDTH // HEADS,
        "max_position_embeddings": LENGTH,
    }
    configs = {
        "gpt2": lambda: hf.GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=LENGTH,
            n_embd=WIDTH,
            n_layer=DEPTH,
            n_head=HEADS,
            n_inner=HIDDEN,
            bos_token_id=0,
            eos_token_id=0,
        ),
        "llama": lambda: hf.LlamaConfig(**common),
        "mistral": lambda: hf.MistralConfig(**common, sliding_window=WINDOW),
        "qwen3": lambda: hf.Qwen3Config(**common),
        "qwen3_moe": lambda: hf.Qwen3MoeConfig(
            **common,
            num_experts=EXPERTS,
            num_experts_per_tok=ACTIVE,
            moe_intermediate_size=HIDDEN,
            norm_topk_prob=False,
            decoder_sparse_step=1,
        ),
    }
    for kind in KINDS:
        torch.manual_seed(0)
        net = hf.AutoModelForCausalLM.from_config(configs[kind](), attn_implementation="eager")
        net.eval()
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        x = torch.randint(VOCABULARY, (3, LENGTH))
        with torch.no_grad():
            logits = net(x).logits
        state = {k: v.numpy() for k, v in net.state_dict().items()}
        np.savez(folder / f"{kind}.npz", x=x.numpy(), logits=logits.numpy(), **state)
    (folder / "version").write_text(hf.__version__, "utf-8")


Weights = Mapping[str, np.ndarray]


def gpt2(w: Weights) -> Iterator[tuple[str, np.ndarray]]:
    """Names of ours, values of theirs; its matrices are (in, out)."""
    yield "stem.embed.weight", w["transformer.wte.weight"]
    yield "trunk.positions.learned.table", w["transformer.wpe.weight"]
    for i in range(DEPTH):
        theirs, ours = f"transformer.h.{i}", f"trunk.blocks.{i}"
        for a, b in (
            ("attention.project.0", "attn.c_attn"),
            ("attention.output", "attn.c_proj"),
            ("feedforward.up", "mlp.c_fc"),
            ("feedforward.output", "mlp.c_proj"),
        ):
            yield f"{ours}.{a}.weight", w[f"{theirs}.{b}.weight"].T
            yield f"{ours}.{a}.bias", w[f"{theirs}.{b}.bias"]
        for a, b in (("attention_norm", "ln_1"), ("feedforward_norm", "ln_2")):
            for part in ("weight", "bias"):
                yield f"{ours}.{a}.{part}", w[f"{theirs}.{b}.{part}"]
    for part in ("weight", "bias"):
        yield f"trunk.norm.{part}", w[f"transformer.ln_f.{part}"]
    yield "head.read.weight", w["lm_head.weight"]


def llama(w: Weights) -> Iterator[tuple[str, np.ndarray]]:
    """The same for Llama and what came of it."""
    yield "stem.embed.weight", w["model.embed_tokens.weight"]
    yield "trunk.norm.weight", w["model.norm.weight"]
    yield "head.read.weight", w["lm_head.weight"]
    for i in range(DEPTH):
        theirs, ours = f"model.layers.{i}", f"trunk.blocks.{i}"
        parts = [w[f"{theirs}.self_attn.{part}_proj.weight"] for part in "qkv"]
        yield f"{ours}.attention.project.0.weight", np.concatenate(parts)
        yield f"{ours}.attention.output.weight", w[f"{theirs}.self_attn.o_proj.weight"]
        yield f"{ours}.attention_norm.weight", w[f"{theirs}.input_layernorm.weight"]
        yield f"{ours}.feedforward_norm.weight", w[f"{theirs}.post_attention_layernorm.weight"]
        if f"{theirs}.self_attn.q_norm.weight" in w:
            gains = [
                np.tile(w[f"{theirs}.self_attn.{part}_norm.weight"], heads)
                for part, heads in (("q", HEADS), ("k", SHARED))
            ]
            yield f"{ours}.attention.gain", np.concatenate(gains)
        yield from _dense(w, f"{theirs}.mlp", f"{ours}.feedforward")


def _dense(w: Weights, theirs: str, ours: str) -> Iterator[tuple[str, np.ndarray]]:
    names = {"up": "up_proj", "gate": "gate_proj", "output": "down_proj"}
    if f"{theirs}.gate.weight" not in w:
        for a, b in names.items():
            yield f"{ours}.{a}.weight", w[f"{theirs}.{b}.weight"]
        return
    yield f"{ours}.route.weight", w[f"{theirs}.gate.weight"]
    for e in range(EXPERTS):
        expert = f"{ours}.experts.{e}"
        if f"{theirs}.experts.gate_up_proj" in w:  # gate and up in one, all experts in one
            gate, up = np.split(w[f"{theirs}.experts.gate_up_proj"][e], 2)
            down = w[f"{theirs}.experts.down_proj"][e]
        else:
            gate, up, down = (
                w[f"{theirs}.experts.{e}.{part}_proj.weight"] for part in ("gate", "up", "down")
            )
        yield f"{expert}.gate.weight", gate
        yield f"{expert}.up.weight", up
        yield f"{expert}.output.weight", down


READERS: Mapping[str, Callable[[Weights], Iterator[tuple[str, np.ndarray]]]] = {
    "gpt2": gpt2,
    **dict.fromkeys(KINDS[1:], llama),
}


def build(kind: str) -> Any:
    """Our net of the same form."""
    from netwright.models.transformer import TransformerConfig, structure
    from netwright.nn.stems import StemConfig
    from netwright.specs import Signature, Tokens

    first = TransformerConfig(
        stem=StemConfig(width=WIDTH),
        depth=DEPTH,
        heads=HEADS,
        head_width=WIDTH // HEADS,
        feedforward=HIDDEN,
        activation="gelu_tanh",
        positions="learned",
        bias=True,
    )
    modern = {"activation": "swiglu", "norm": "rms", "positions": "rotary", "bias": False}
    more: dict[str, dict[str, Any]] = {
        "gpt2": {},
        "llama": {},
        "mistral": {"window": WINDOW},
        "qwen3": {"qk_norm": True},
        "qwen3_moe": {"qk_norm": True, "experts": EXPERTS, "active": ACTIVE},
    }
    update = {} if kind == "gpt2" else {**modern, "kv_heads": SHARED, **more[kind]}
    form = Tokens(VOCABULARY, LENGTH)
    config = first.model_copy(update=update)
    return structure.build(Signature(form, form, positions="causal"), config).eval()


def compare(kind: str, w: Weights) -> dict[str, float]:
    """Largest differences of logits: of the whole, and of cached steps."""
    import torch

    net = build(kind)
    state = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in READERS[kind](w)}
    state["head.read.bias"] = torch.zeros(VOCABULARY)
    missing, unexpected = net.load_state_dict(state, strict=False)
    left = [name for name in missing if not name.endswith("balance")]
    if left or unexpected:
        raise SystemExit(f"{kind}: not copied {left}, unknown {unexpected}")
    x, wanted = torch.from_numpy(w["x"]), torch.from_numpy(w["logits"])
    with torch.inference_mode():
        whole = net(x)
        cache, made = net.state(len(x)), []
        for piece in x.split([9, *[1] * 20, LENGTH - 29], 1):
            y, cache = net.step(piece, cache)
            made.append(y)
    return {
        "whole": float((whole - wanted).abs().max()),
        "steps": float((torch.cat(made, 1) - wanted).abs().max()),
        "largest logit": float(wanted.abs().max()),
    }


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--peer", help="a Python that has transformers")
    parser.add_argument("--dump", type=Path, help="for the peer: where to write")
    chosen = parser.parse_args()
    if chosen.dump:
        dump(chosen.dump)
        return
    if not chosen.peer:
        parser.error("--peer PYTHON is needed: one that has transformers and numpy")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([chosen.peer, __file__, "--dump", name], check=True)
        found = {kind: compare(kind, dict(np.load(folder / f"{kind}.npz"))) for kind in KINDS}
        version = (folder / "version").read_text("utf-8")
    for kind, values in found.items():
        print(kind, ", ".join(f"{k} {v:.2g}" for k, v in values.items()))
    wrong = [k for k, v in found.items() if max(v["whole"], v["steps"]) > TOLERANCE]
    write(
        "parity-transformers",
        {"transformers": version, "tolerance": TOLERANCE, "differences": found},
        chosen.out,
    )
    if wrong:
        sys.exit(f"beyond {TOLERANCE}: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
