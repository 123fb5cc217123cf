"""The textbook pair at 32 pixels in Keras 3 on TensorFlow; one JSON line in, one out.

A `train_step` of one move of each player, the generator's on the same made pictures, compiled into
a graph; `tuned` runs 8 steps an execution on a cached, prefetched pipeline, `tuned-bf16` the same
under mixed_bfloat16.
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
layers = keras.layers
rng = np.random.default_rng(0)


def grown(width):
    return [
        layers.Conv2DTranspose(width, 4, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.LeakyReLU(0.2),
    ]


maker = keras.Sequential(
    [
        keras.Input((100,)),
        layers.Dense(4 * 4 * 256, use_bias=False),
        layers.Reshape((4, 4, 256)),
        layers.BatchNormalization(),
        layers.LeakyReLU(0.2),
        *grown(128),
        *grown(64),
        layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh", dtype="float32"),
    ]
)
read = []
for width in (64, 128, 256):
    read += [layers.Conv2D(width, 4, strides=2, padding="same"), layers.LeakyReLU(0.2)]
critic = keras.Sequential(
    [keras.Input((32, 32, 3)), *read, layers.Flatten(), layers.Dense(1, dtype="float32")]
)


class Pair(keras.Model):
    def __init__(self):
        super().__init__()
        self.maker, self.critic = maker, critic
        self.first = keras.optimizers.Adam(2e-4, beta_1=0.5)
        self.second = keras.optimizers.Adam(2e-4, beta_1=0.5)
        self.bce = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, real):
        noise = tf.random.normal((64, 100))
        with tf.GradientTape(persistent=True) as tape:
            fake = self.maker(noise, training=True)
            of_real = self.critic(real, training=True)
            of_fake = self.critic(fake, training=True)
            one = self.bce(tf.ones_like(of_real), of_real)
            one += self.bce(tf.zeros_like(of_fake), of_fake)
            two = self.bce(tf.ones_like(of_fake), of_fake)
        mine, theirs = self.critic.trainable_variables, self.maker.trainable_variables
        slopes, others = tape.gradient(one, mine), tape.gradient(two, theirs)
        self.first.apply_gradients(zip(slopes, mine, strict=True))
        self.second.apply_gradients(zip(others, theirs, strict=True))
        return {"one": one, "two": two}


class Ended(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.begun, self.cpu = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.begun
        self.busy = (time.process_time() - self.cpu) / self.seconds


pair = Pair()
pair.first.build(critic.trainable_variables)
pair.second.build(maker.trainable_variables)
pair.compile(jit_compile=False, steps_per_execution=8)
options = tf.data.Options()
options.autotune.enabled = False
options.threading.private_threadpool_size = THREADS
pinned = False
made = {}
for line in sys.stdin:
    steps = json.loads(line)["steps"]
    if steps not in made:
        x = (rng.integers(0, 256, (64 * steps, 32, 32, 3)) / 127.5 - 1).astype(np.float32)
        data = tf.data.Dataset.from_tensor_slices(x).cache().shuffle(len(x), seed=0)
        made[steps] = data.batch(64, drop_remainder=True).prefetch(4).with_options(options)
    ended = Ended()
    pair.fit(made[steps], epochs=1, verbose=0, callbacks=[ended])
    if not pinned:
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), set(range(THREADS)))
        pinned = True
    print(json.dumps({"rate": 64 * steps / ended.seconds, "busy": ended.busy}), flush=True)
