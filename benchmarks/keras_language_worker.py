"""A Keras 3 on TensorFlow contestant for language: one JSON line in, one out.

`keras_language_worker.py RUNG THREADS`, in an environment of its own. Both rungs read a cached,
shuffled, prefetched tf.data pipeline with autotune off, up to 8 steps an execution: `tuned` in
float32, `tuned-bf16` under mixed_bfloat16. The nets are ours, layer for layer: `rnn/classic` and
`transformer/classic`. `choose` tries each way to run a net and keeps the fastest. Training time
ends at `on_epoch_end`: what `fit` waits for while it tears its iterator down is no training.
"""

import json
import os
import sys
import time
from functools import partial

RUNG, THREADS = sys.argv[1], int(sys.argv[2])
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
if RUNG == "tuned-bf16":
    keras.config.set_dtype_policy("mixed_bfloat16")

VOCABULARY, BATCH, LENGTH, WIDTH, HIDDEN, HEADS = 96, 64, 128, 64, 128, 8
STEPS = 8
layers = keras.layers


class Positions(layers.Layer):
    """Adds sin and cos of p / 10000^(2i / d), side by side."""

    def call(self, h):
        waves = 10_000.0 ** (-np.arange(0, WIDTH, 2) / WIDTH)
        angles = np.arange(LENGTH)[:, None] * waves
        table = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(LENGTH, WIDTH)
        return h + keras.ops.cast(table, self.compute_dtype)


def lstm():
    return keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(VOCABULARY, WIDTH),
            layers.LSTM(HIDDEN, return_sequences=True),
            layers.LSTM(HIDDEN, return_sequences=True),
            layers.Dense(VOCABULARY, dtype="float32"),
        ]
    )


def transformer():
    read = keras.Input((LENGTH,), dtype="int32")
    h = Positions()(layers.Embedding(VOCABULARY, WIDTH)(read))
    for _ in range(2):
        x = layers.LayerNormalization(epsilon=1e-5)(h)
        h = h + layers.MultiHeadAttention(HEADS, WIDTH)(x, x, use_causal_mask=True)
        x = layers.LayerNormalization(epsilon=1e-5)(h)
        h = h + layers.Dense(WIDTH)(layers.Dense(WIDTH, activation="relu")(x))
    h = layers.LayerNormalization(epsilon=1e-5)(h)
    return keras.Model(read, layers.Dense(VOCABULARY, dtype="float32")(h))


NETS = {"lstm": lstm, "transformer": transformer}


class SummedAdam(keras.optimizers.Adam):
    """Adam of whole gradients.

    The gradient of an embedding has a row for each place here, and Keras squares row by row, so
    that an embedding moves by many times the learning rate at first.
    """

    def apply(self, grads, trainable_variables=None):
        super().apply([tf.convert_to_tensor(g) for g in grads], trainable_variables)


def compiled(net, *, jit, steps=1, adam=keras.optimizers.Adam):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    adam = adam(1e-3)
    net.compile(optimizer=adam, loss=loss, steps_per_execution=steps, jit_compile=jit)
    return net


def windows(sequences):
    rng = np.random.default_rng(0)
    return rng.integers(0, VOCABULARY, (sequences, LENGTH + 1), dtype=np.int32)


def dataset(sequences):
    tokens = windows(sequences)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = THREADS
    made = tf.data.Dataset.from_tensor_slices((tokens[:, :-1], tokens[:, 1:])).cache()
    made = made.shuffle(sequences, seed=0).batch(BATCH, drop_remainder=True).prefetch(4)
    return made.with_options(options)


class Ended(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.begun, self.cpu = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.begun
        self.busy = (time.process_time() - self.cpu) / self.seconds


batch = tf.constant(windows(BATCH)[:, :-1])


def train(pipeline, net):
    ended = Ended()
    net.fit(pipeline, epochs=1, verbose=0, callbacks=[ended])
    return {"rate": len(pipeline) * BATCH * LENGTH / ended.seconds, "busy": ended.busy}


def infer(passes, traced):
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(passes):
        y = traced(batch)
    y.numpy()
    seconds = time.perf_counter() - start
    busy = (time.process_time() - cpu) / seconds
    return {"rate": passes * BATCH * LENGTH / seconds, "busy": busy}


def forward(net, *, jit):
    return tf.function(lambda x: net(x, training=False), jit_compile=jit)


def fastest(ways, run):
    """The way of the highest rate in its second run; the first one compiles."""
    rates = {}
    for name, way in ways.items():
        rates[name] = run(way)["rate"]
        if len(ways) > 1:
            rates[name] = run(way)["rate"]
    best = max(rates, key=rates.get)
    return ways[best], rates if len(ways) > 1 else {best: None}


def learn(name, given, adam):
    """Losses of our batches, from our first weights."""
    net = compiled(NETS[name](), jit=False, adam=adam)
    net.set_weights([given[f"w{i}"] for i in range(len(net.weights))])
    losses = []
    for x, y in zip(given["x"], given["y"], strict=True):
        net.reset_metrics()
        losses.append(float(net.train_on_batch(x, y)))
    return losses


chosen, pinned = {}, False
for line in sys.stdin:
    asked = json.loads(line)
    kind, name = asked["kind"], asked["net"]
    if kind == "choose":
        make, pipeline = NETS[name], dataset(asked["sequences"])
        steps = min(STEPS, len(pipeline))
        ways = {f"jit_compile={j}": compiled(make(), jit=j, steps=steps) for j in asked["jit"]}
        trained, training = fastest(ways, partial(train, pipeline))
        frozen = make()
        ways = {f"jit_compile={j}": forward(frozen, jit=j) for j in asked["jit"]}
        traced, inference = fastest(ways, partial(infer, 1))
        chosen[name] = pipeline, trained, traced
        answer = {"training": training, "inference": inference}
    elif kind == "training":
        answer = train(*chosen[name][:2])
    elif kind == "inference":
        answer = infer(asked["passes"], chosen[name][2])
    else:
        given = np.load(asked["file"])
        answer = {"losses": learn(name, given, keras.optimizers.Adam)}
        answer["summed"] = learn(name, given, SummedAdam)
    if not pinned and asked.get("pin"):
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), set(range(THREADS)))
        pinned = True
    print(json.dumps(answer), flush=True)
