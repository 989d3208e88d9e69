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
    "matrices": "adamw(lr=%g, eps=1e-6, matrices_only=true)",
    "adadelta": "adadelta()",
    "own": None,  # what the page does itself: Net.own
}


class Net:
    """`page`: where the network is, if not in the example of its name; `is_loss`: it gives the loss
    itself; `body`: statements that bind `loss`, instead of the cross entropy; `own`: those by which the optimizer "own" learns.
    `offsets`: of biases, by the name of what owns them, on top of the formula's values."""

    def __init__(self, name, batch, shape, defines, rates, page=None, is_loss=False, body=None, own=None, **offsets):
        self.name, self.batch, self.shape, self.defines, self.rates = name, batch, shape, defines, rates
        self.page, self.is_loss, self.offsets = page or name, is_loss or body is not None, offsets
        self.body, self.own = body, own

    def offset(self, name):
        return self.offsets.get(name.split(".")[-2], 0.0) if name.endswith(".bias") else 0.0

    def step(self, optimizer):
        """The training entry that a page of examples/ gets for this optimizer."""
        dims = ", ".join(str(d) for d in self.shape)
        loss = self.name + "(image)" if self.is_loss else "cross_entropy(%s(image), label)" % self.name
        body = self.body or "  loss = %s\n" % loss
        if optimizer == "own":
            learn = self.own.replace("RATE", "%g" % self.rates["own"])
        else:
            form = OPTIMIZERS[optimizer]
            learn = "  minimize loss with %s\n" % (form % self.rates[optimizer] if "%" in form else form)
        return "train by_%s(image: f32[N, %s], label: i64[N]) -> f32 {\n%s%s  return loss\n}\n" % (optimizer, dims, body, learn)


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


def program(name, page, shape, defines, body, own=None, **rates):
    """A program of tests/programs."""
    text, rate = own or (None, None)
    return Net(name, 8, shape, defines, {**rates, "own": rate} if own else rates, page=page, body="  token = argmax(image, axis=-1)\n" + body, own=text)


LETTERS = "  loss = cross_entropy(letters(token[:, :-1]), token[:, 1:])\n"
MASKED = """  guess = arange(shape(token)[1]) % 3 == 1
  x, pooled = trunk(where(guess, 0, token), token % 2, token != 7)
  loss = cross_entropy(masked_words(x), where(guess, token, -100)) + cross_entropy(cls.seq_relationship(pooled), label % 2)
"""
TRANSLATED = """  before = concat([full(i64[N, 1], 1), token[:, :-1]], axis=1)
  memory, keep = encode((token[:, ::-1] * 3 + 1) % 12)
  loss = cross_entropy(decode(before, memory, keep), token, smoothing=0.1, ignore=padding)
"""
# Programs of tests/programs: what they read is made of a sequence's words and numbers.
SKIPGRAM = "  loss = negative_sampling(syn0(token[:, 0]), token[:, 1], token[:, 2:2+negatives]) / N\n"
CBOW = """  around = context(token[:, :2*window], image[:, :2*window, 0] > 0)
  loss = negative_sampling(around, token[:, 2*window], token[:, 2*window+1:2*window+1+negatives]) / N
"""
TREE = """  way = arange(longest) <= label[:, None] % longest
  turn = where(way, where(image[:, 1:1+longest, 1] > 0, 1.0, -1.0), 0.0)
  loss = hierarchical(syn0(token[:, 0]), token[:, 1:1+longest] % (words - 1), turn) / N
"""
COUNTED = "  loss = misses(token[:, 0], token[:, 1], 10^(1.5 * image[:, 2, 0] + 1.5)) / N\n"
ALIGNED = "  loss = miss(concat([(token[:, ::-1] * 3 + 1) % 12, zeros(i64[N, 2])], axis=1), token)\n"
COPIED = "  loss = miss(token, token[:, 2:6])\n"
BOTH_WAYS = """  length = shape(token)[1]
  keep = arange(length) < (label % length + 1)[:, None]
  loss = miss(token, keep, where(keep, token[:, :, 1] % words, -100), where(keep, token[:, :, 2] % words, -100))
"""
REMEMBERED = "  loss = miss(token[:, :-1], token[:, 1:])\n"
PERMUTED = """  order  = image[:, :, 0]
  hidden = order[:, None] >= order[:, :, None]
  rank   = sum(cast(not hidden, i64), axis=-1)
  target = stack([cast(rank == shape(token)[1] - 1, f32), cast(rank == shape(token)[1] - 2, f32), cast(rank == 0, f32)], axis=1)
  word   = cast(sum(target * cast(token, f32)[:, None], axis=-1), i64)
  loss   = miss(token, token % 2, hidden, target, word)
"""
CLIPPED = """  opt = sgd(lr=RATE)
  ps = params([encoder, rnn, decoder])
  for p, g in zip(ps, clip_global_norm(grad(loss * (shape(token)[1] - 1), ps), 5.0)) { opt(p, g) }
"""
JUDGED = "  judged = taken_in(image[:, :pixels], image[:, pixels:])\n"
FOOLED = """  minimize judged over D with sgd(lr=RATE, momentum=0.5)
  seen = found_out(image[::-1, pixels:])
  minimize seen over G with sgd(lr=RATE, momentum=0.5)
  loss = judged + seen
"""
SLOPES = """  real   = reshape(image[:, :784], [N, 1, 28, 28])
  fake   = stop_gradient(G(image[:, 784:912]))
  judged = apart(real, fake) + penalties(real, fake, image[:, 912:, None, None] / 2 + 0.5)
"""
STEEP = """  minimize judged over D with adam(lr=RATE, beta1=0.5, beta2=0.9)
  seen = -mean(D(G(image[::-1, 784:912])))
  minimize seen over G with adam(lr=RATE, beta1=0.5, beta2=0.9)
  loss = judged + seen
"""

FORETOLD = "  loss = cross_entropy(tied_output(trunk(token[:, :-1]), tokens_embed.weight), token[:, 1:])\n"
SPOKEN = "  loss = cross_entropy(unembed(trunk(token[:, :-1])), token[:, 1:])\n"

NETS = {net.name: net for net in (
    Net("lenet", 32, (1, 28, 28), {}, rates()),
    Net("mlp", 32, (784,), {}, rates(sgd=0.03, momentum=5e-3, nesterov=5e-3, adagrad=3e-3, rmsprop=1e-4)),
    Net("highway", 32, (784,), {"depth": 10}, rates(adagrad=3e-3, rmsprop=3e-4), gate=-2.0),
    Net("resnet20", 8, (1, 28, 28), {}, rates(sgd=3e-3, momentum=5e-4, nesterov=5e-4, adagrad=5e-4, rmsprop=3e-5, adam=1e-4, adamw=1e-4)),
    Net("grouped", 8, (3, 32, 32), {"groups": 2, "thin": 5, "size": 32, "classes": 10}, {"sgd": 3e-7}, page="shufflenet",
        body="  loss = cross_entropy(shufflenet(image), label)\n"),
    Net("dealt_out", 8, (3, 64, 64), {"scale": "x0_5", "thin": 6, "size": 64, "classes": 10}, {"sgd": 1e-6}, page="shufflenet_v2",
        body="  loss = cross_entropy(shufflenet_v2(image), label)\n"),
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
    language_model("foretold", "gpt", 20, 12, {"vocab": 20, "D": 64, "depth": 2, "longest": 16}, FORETOLD),
    program("skipgram", "word2vec", (6, 20), {"words": 20, "width": 16, "negatives": 4}, SKIPGRAM, sgd=0.5, adam=1e-2),
    program("cbow", "word2vec", (9, 20), {"words": 20, "width": 16, "negatives": 4, "window": 2}, CBOW, sgd=0.5),
    program("word_tree", "word2vec", (6, 20), {"words": 20, "width": 16, "longest": 5}, TREE, sgd=0.5),
    program("counted", "glove", (3, 20), {"words": 20, "width": 16}, COUNTED, adagrad=0.05),
    program("aligned", "nmt_attention", (7, 20), {"words": 20, "embed": 12, "hidden": 16, "maxout": 8}, ALIGNED, adadelta=1.0, adam=1e-2),
    program("copied", "pointer_generator", (7, 20), {"words": 16, "extra": 4, "embed": 12, "hidden": 16}, COPIED, adam=1e-3),
    program("both_ways", "elmo", (5, 8, 12), {"chars": 12, "longest_word": 8, "D": 12, "cells": 20, "words": 9, "thin": 16}, BOTH_WAYS, adagrad=0.01, adam=3e-3),
    program("remembered", "transformer_xl", (7, 20), {"vocab": 20, "D": 24, "heads": 3, "inner": 40, "depth": 2, "memory": 5, "drop": 0.0},
            REMEMBERED, adam=1e-3, sgd=0.03),
    program("permuted", "xlnet", (7, 20), {"vocab": 20, "D": 24, "heads": 3, "inner": 40, "depth": 2, "drop": 0.0}, PERMUTED, matrices=1e-3, sgd=0.03),
    program("lasting", "lstm_lm", (9, 20), {"vocab": 20, "width": 24, "drop": 0.0}, REMEMBERED, own=(CLIPPED, 1.0)),
    *(Net(name, 16, (30,), {"pixels": 24, "noise": 6, "hidden": 20, "units": 10, "drop": 0.0, "drop_pixels": 0.0, "saturating": flag},
          {"own": 0.05}, page="gan", body=JUDGED, own=FOOLED) for name, flag in (("fooled", "false"), ("minimax", "true"))),
    Net("steep", 4, (913,), {"width": 2}, {"own": 3e-4}, page="wgan_gp", body=SLOPES, own=STEEP),
    Net("ticket", 16, (784,), {}, {"adam": 1e-2}, page="lottery", body="  loss = cross_entropy(net(image), label)\n"),
    Net("descending", 8, (3, 32, 32), {"k": 2}, {"adam": 3e-5}, page="double_descent", body="  loss = cross_entropy(logits(image), label)\n"),
)}
