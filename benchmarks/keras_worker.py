"""A Keras 3 on TensorFlow contestant: one JSON line in, one out, in an environment of its own.

Rungs: `installed` numpy arrays and plain `fit`; `tuned` a cached, prefetched tf.data pipeline with
autotune off and 32 steps an execution; `tuned-bf16` the same under mixed_bfloat16. Training time
ends at `on_epoch_end`: what `fit` waits for while it tears its iterator down is no training.
"""

import json
import os
import sys
import time

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

N = int(sys.argv[3])
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (N, 28, 28, 1), dtype=np.uint8)
labels = rng.integers(0, 10, N)
scaled = (images / 255.0).astype(np.float32)


def network():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, dtype="float32"),
        ]
    )


def compiled(net):
    steps = {} if RUNG == "installed" else {"steps_per_execution": 32, "jit_compile": False}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"], **steps)
    return net


def dataset(x, y):
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = THREADS
    made = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x), seed=0)
    return made.batch(64, drop_remainder=True).prefetch(4).with_options(options)


class Ended(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()
        self.cpu = time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.begun
        self.busy = (time.process_time() - self.cpu) / self.seconds


net = compiled(network())
pipeline = None if RUNG == "installed" else dataset(scaled, labels)
traced = tf.function(lambda x: net(x, training=False))
batch = tf.constant(scaled[:256])
one = tf.constant(scaled[:1])
pinned = False

for line in sys.stdin:
    asked = json.loads(line)
    kind = asked["kind"]
    if kind == "training":
        ended = Ended()
        if RUNG == "installed":
            net.fit(scaled, labels, batch_size=64, epochs=1, verbose=0, callbacks=[ended])
        else:
            net.fit(pipeline, epochs=1, verbose=0, callbacks=[ended])
        answer = {"rate": N / ended.seconds, "busy": ended.busy}
    elif kind == "inference":
        start = time.perf_counter()
        for _ in range(40):
            y = traced(batch)
        y.numpy()
        answer = {"rate": 40 * 256 / (time.perf_counter() - start)}
    elif kind == "predict":
        start = time.perf_counter()
        for _ in range(20):
            net.predict(scaled[:1], verbose=0)
        answer = {"rate": 20 / (time.perf_counter() - start)}
    elif kind == "traced":
        start = time.perf_counter()
        for _ in range(300):
            traced(one).numpy()
        answer = {"rate": 300 / (time.perf_counter() - start)}
    elif kind == "learn":
        given = np.load(asked["file"])
        keras.utils.set_random_seed(asked["seed"])
        fresh = compiled(network())
        fresh.fit(given["x"], given["y"], batch_size=64, epochs=asked["epochs"], verbose=0)
        answer = {"accuracy": float(fresh.evaluate(given["tx"], given["ty"], verbose=0)[1])}
    if not pinned and asked.get("pin"):
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), set(range(THREADS)))
        pinned = True
    print(json.dumps(answer), flush=True)
