"""The learning curves that dlc's training is held to: which networks, which optimizers, which data.

A run is a network, an optimizer and a seed: STEPS steps from parameters by formula.py, each with a
batch of its own, then the network's loss on a further batch as it infers (training off). The tensor
T of a run begins from `formula.symmetric("seed S T")`, so that nothing is stored.

Images can be learnt: row k of a run is its class's pattern under noise,
(pattern[label[k]] + 3 noise[k]) / 4, in double, rounded once. `label`, `pattern` and `noise` are
tensors by formula too, `noise` [(STEPS + 1) * batch, ...], `pattern` [10, ...].
"""
STEPS = 50
SEEDS = 5

# The entry of an optimizer is by_NAME; `%g` is the learning rate.
OPTIMIZERS = {
    "sgd": "sgd(lr=%g)",
    "momentum": "sgd(lr=%g, momentum=0.9, decay=1e-4)",
    "nesterov": "sgd(lr=%g, momentum=0.9, nesterov=true)",
    "adagrad": "adagrad(lr=%g)",
    "rmsprop": "rmsprop(lr=%g)",
    "adam": "adam(lr=%g)",
    "adamw": "adamw(lr=%g, decay=0.1)",
}


class Net:
    """`page`: where the network is, if not in the example of its name; `is_loss`: it gives the loss
    itself; `body`: statements that bind `loss`, instead of the cross entropy. `offsets`: of biases, by the name of what owns them, on top of the formula's values."""

    def __init__(self, name, batch, shape, defines, rates, page=None, is_loss=False, body=None, **offsets):
        self.name, self.batch, self.shape, self.defines, self.rates = name, batch, shape, defines, rates
        self.page, self.is_loss, self.offsets = page or name, is_loss or body is not None, offsets
        self.body = body

    def offset(self, name):
        return self.offsets.get(name.split(".")[-2], 0.0) if name.endswith(".bias") else 0.0

    def step(self, optimizer):
        """The training entry that a page of examples/ gets for this optimizer."""
        dims = ", ".join(str(d) for d in self.shape)
        loss = self.name + "(image)" if self.is_loss else "cross_entropy(%s(image), label)" % self.name
        body = self.body or "  loss = %s\n" % loss
        return ("train by_%s(image: f32[N, %s], label: i64[N]) -> f32 {\n%s"
                "  minimize loss with %s\n  return loss\n}\n" % (optimizer, dims, body, OPTIMIZERS[optimizer] % self.rates[optimizer]))


def rates(**own):
    return {**dict(sgd=0.1, momentum=0.02, nesterov=0.02, adagrad=0.01, rmsprop=1e-3, adam=1e-3, adamw=1e-3), **own}


def layer(page, name, shape, sgd=0.1, adam=1e-2, **more):
    """A network of the standard library's layers."""
    return Net(name, 16, shape, {}, {"sgd": sgd, "adam": adam}, page=page, **more)


def sequence_loss(name, **more):
    return layer("vocabulary", name, (10, 16), is_loss=True, **more)


def language_model(name, page, words, steps, defines, body, **own):
    """An example that reads words: those are a sequence's steps' greatest numbers."""
    return Net(name, 8, (steps, words), {**defines, "drop": 0.0}, {"adam": 1e-3, **own}, page=page,
               body="  token = argmax(image, axis=-1)\n" + body)


LETTERS = "  loss = cross_entropy(letters(token[:, :-1]), token[:, 1:])\n"
MASKED = """  guess = arange(shape(token)[1]) % 3 == 1
  x, pooled = trunk(where(guess, 0, token), token % 2, token != 7)
  loss = cross_entropy(masked_words(x), where(guess, token, -100)) + cross_entropy(cls.seq_relationship(pooled), label % 2)
"""
TRANSLATED = """  before = concat([full(i64[N, 1], 1), token[:, :-1]], axis=1)
  memory, keep = encode((token[:, ::-1] * 3 + 1) % 12)
  loss = cross_entropy(decode(before, memory, keep), token, smoothing=0.1, ignore=padding)
"""
SPOKEN = "  loss = cross_entropy(unembed(trunk(token[:, :-1])), token[:, 1:])\n"

NETS = {net.name: net for net in (
    Net("lenet", 32, (1, 28, 28), {}, rates()),
    Net("mlp", 32, (784,), {}, rates(sgd=0.03, momentum=5e-3, nesterov=5e-3, adagrad=3e-3, rmsprop=1e-4)),
    Net("highway", 32, (784,), {"depth": 10}, rates(adagrad=3e-3, rmsprop=3e-4), gate=-2.0),
    Net("resnet20", 8, (1, 28, 28), {}, rates(sgd=3e-3, momentum=5e-4, nesterov=5e-4, adagrad=5e-4, rmsprop=3e-5, adam=1e-4, adamw=1e-4)),
    layer("recurrence", "elman", (12, 6)), layer("recurrence", "long_short", (12, 6)), layer("recurrence", "gated", (12, 6)),
    layer("attention", "after", (10, 12)), layer("attention", "before", (10, 12)), layer("attention", "both", (10, 12)),
    layer("attention", "looking", (10, 12)),
    sequence_loss("tied_loss"), sequence_loss("adaptive_loss"), sequence_loss("tree_loss"), sequence_loss("negative_loss"),
    sequence_loss("sampled_loss"), sequence_loss("ctc_loss"),
    language_model("char_lstm", "char_rnn", 20, 24, {"vocab": 20, "hidden": 32}, LETTERS, sgd=0.5),
    language_model("char_gru", "char_rnn", 20, 24, {"vocab": 20, "hidden": 32, "cell": "gru"}, LETTERS, sgd=0.5),
    language_model("masked_words", "bert", 20, 12, {"vocab": 20, "D": 64, "depth": 2, "longest": 16}, MASKED, adamw=1e-3),
    language_model("translated", "transformer", 20, 10, {"pieces": 20, "D": 32, "heads": 2, "inner": 64, "depth": 2}, TRANSLATED),
    language_model("spoken", "gpt2", 20, 12, {"vocab": 20, "D": 64, "depth": 2, "longest": 16}, SPOKEN, adamw=1e-3),
)}
