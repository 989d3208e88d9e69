"""PyTorch's own layers, or papers' equations where it has none, for the pages of tests/reference/pages.

Registers in models.MODELS under the pages' names, and in models.LEARNERS what learning curves train:
there each function takes the module, images and labels, and gives scores of classes, or a loss.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn as packed

from models import Net, learner, model


class Group(nn.Module):
    """Modules and parameters under dotted names."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)


def zeros(*shape):
    return nn.Parameter(torch.zeros(*shape))


# ---- recurrence.dl ----
@model
def recurrence(K=6, H=7):
    def layer(kind, layers=2, both=True, **more):
        return kind(K, H, layers, bidirectional=both, batch_first=True, **more)

    def masked(net, x, length):
        y, last = net(packed.pack_padded_sequence(x, length, batch_first=True, enforce_sorted=False))
        return packed.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0], last

    def run(m, x, length, h, c):
        out = {}
        out["rnn_y"], out["rnn_h"] = m.rnn(x, h)
        out["lstm_y"], (out["lstm_h"], out["lstm_c"]) = m.lstm(x, (h, c))
        out["gru_y"], out["gru_h"] = m.gru(x, h)
        out["rnn_masked"], out["rnn_last"] = masked(m.rnn, x, length)
        out["lstm_masked"], (out["lstm_last"], _) = masked(m.lstm, x, length)
        out["gru_masked"], out["gru_last"] = masked(m.gru, x, length)
        for name in ("lstm", "gru", "rnn"):
            out[name + "_plain"] = m._modules["plain_" + name](x)[0]
        out["one_rnn"] = m.rnn_cell(x[:, 0], h[0])
        out["one_lstm"] = torch.cat(m.lstm_cell(x[:, 0], (h[0], c[0])), -1)
        out["one_gru"] = m.gru_cell(x[:, 0], h[0])
        return out
    plain = {"layers": 1, "both": False, "bias": False}
    net = Net(run, rnn=layer(nn.RNN, nonlinearity="relu"), lstm=layer(nn.LSTM), gru=layer(nn.GRU), plain_lstm=layer(nn.LSTM, **plain),
              plain_gru=layer(nn.GRU, **plain), plain_rnn=layer(nn.RNN, **plain), rnn_cell=nn.RNNCell(K, H), lstm_cell=nn.LSTMCell(K, H),
              gru_cell=nn.GRUCell(K, H), classes=Group(rnn=nn.Linear(2 * H, 10), lstm=nn.Linear(2 * H, 10), gru=nn.Linear(2 * H, 10)))
    net.owners = {"recurrence": [n + "." for n in net._modules if n != "classes"]}
    return net


@learner
def elman(m, image, label):
    return m.classes.rnn(m.rnn(image)[0][:, -1])


@learner
def long_short(m, image, label):
    return m.classes.lstm(m.lstm(image)[0][:, -1])


@learner
def gated(m, image, label):
    return m.classes.gru(m.gru(image)[0][:, -1])


# ---- attention.dl ----
def sinusoids(position, width):
    angle = position[:, None] * torch.exp(torch.arange(0, width, 2, dtype=position.dtype) * (-math.log(10000.0) / width))
    return angle.sin(), angle.cos()


def sinusoidal(n, width, dtype):
    return torch.stack(sinusoids(torch.arange(n, dtype=torch.float64), width), 2).reshape(n, width).to(dtype)


def causal(n):
    return torch.ones(n, n, dtype=torch.bool).triu(1)


def heads_of(x, heads):
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


class Additive(nn.Module):
    def __init__(self, query, values, width):
        super().__init__()
        self.W_a, self.U_a = nn.Linear(query, width, bias=False), nn.Linear(values, width, bias=False)
        self.v_a = nn.Linear(width, 1, bias=False)

    def forward(self, query, values, keep=None):
        score = self.v_a(torch.tanh(self.W_a(query)[:, None] + self.U_a(values)))[..., 0]
        a = (score if keep is None else score.masked_fill(~keep, -math.inf)).softmax(-1)
        return (a[..., None] * values).sum(1), a


class Shaw(nn.Module):
    """Self-attention with relative position representations (2018), equations 3 and 4, one place at a time."""

    def __init__(self, width, heads, reach):
        super().__init__()
        self.heads, self.reach = heads, reach
        self.in_proj_weight, self.in_proj_bias = zeros(3 * width, width), zeros(3 * width)
        self.relative_keys, self.relative_values = zeros(2 * reach + 1, width // heads), zeros(2 * reach + 1, width // heads)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x):
        n, out = x.shape[1], []
        q, k, v = (heads_of(y, self.heads) for y in F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1))
        for i in range(n):
            rows = [max(-self.reach, min(self.reach, j - i)) + self.reach for j in range(i + 1)]
            keys, values = k[:, :, : i + 1] + self.relative_keys[rows], v[:, :, : i + 1] + self.relative_values[rows]
            a = ((q[:, :, i : i + 1] * keys).sum(-1) / math.sqrt(q.shape[-1])).softmax(-1)
            out.append((a[..., None] * values).sum(2))
        return self.out_proj(torch.stack(out, 2).transpose(1, 2).reshape(x.shape))


class TransformerXL(nn.Module):
    """Dai 2019, section 3.3: the four terms of a score by the distance itself, no shifting."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv_net, self.r_net, self.o_net = (nn.Linear(width, k * width, bias=False) for k in (3, 1, 1))

    def forward(self, x, memory, u, v):
        (n, T, D), M = x.shape, memory.shape[1]
        q, k, value = (heads_of(y, self.heads) for y in self.qkv_net(torch.cat([memory, x], 1)).chunk(3, -1))
        q = q[:, :, M:]
        far = torch.arange(M + T, dtype=torch.float64)
        r = heads_of(self.r_net(torch.cat(sinusoids(far, D), -1).to(x.dtype))[None], self.heads)[0]
        out = []
        for i in range(T):
            seen = M + i + 1
            place = r[:, [M + i - j for j in range(seen)]]
            score = ((q[:, :, i, None] + u[:, None]) * k[:, :, :seen]).sum(-1) + ((q[:, :, i, None] + v[:, None]) * place).sum(-1)
            a = (score / math.sqrt(q.shape[-1])).softmax(-1)
            out.append((a[..., None] * value[:, :, :seen]).sum(2))
        return self.o_net(torch.stack(out, 2).transpose(1, 2).reshape(x.shape))


class Learnt(nn.Module):
    def __init__(self, longest, width):
        super().__init__()
        self.weight = zeros(longest, width)

    def forward(self, x):
        return x + self.weight[: x.shape[1]]


def stack(kind, D, heads, drop, first=False):
    name = "Encoder" if kind == "encoder" else "Decoder"
    layer = getattr(nn, "Transformer%sLayer" % name)(D, heads, 20, drop, F.gelu if first else F.relu, batch_first=True, norm_first=first)
    return getattr(nn, "Transformer" + name)(layer, 2, nn.LayerNorm(D) if first else None)


@model
def attention(D=12, heads=3):
    def mha(bias=True, other=None):
        return nn.MultiheadAttention(D, heads, bias=bias, batch_first=True, vdim=other)

    def whole(drop):
        return nn.Transformer(D, heads, 1, 1, 20, drop, batch_first=True)

    def run(m, x, memory, other, length, keep):
        with torch.enable_grad():                      # the way that learns; inference's fast one zeroes what is masked
            T = x.shape[1]
            here = torch.arange(T) < length[:, None]
            later = causal(T)
            context, weights = m.additive(x[:, 0], memory, keep)
            out = {
                "own": m.own(x, x, x, key_padding_mask=~here, attn_mask=later)[0],
                "cross": m.cross(x, memory, memory, key_padding_mask=~keep)[0], "wide": m.wide(x, memory, other)[0],
                "context": context, "weights": weights, "relative": m.relative(x), "xl": m.xl(x, memory, m.u, m.v),
                "sinusoids": sinusoidal(T, D, x.dtype), "learnt": m.positions(x), "post_encoder": m.post_encoder(x, src_key_padding_mask=~here),
                "pre_encoder": m.pre_encoder(x, mask=later),
                "post_decoder": m.post_decoder(x, memory, tgt_mask=later, memory_key_padding_mask=~keep),
                "pre_decoder": m.pre_decoder(x, memory, tgt_mask=later, tgt_key_padding_mask=~here),
                "whole": m.whole(memory, x, tgt_mask=later, src_key_padding_mask=~keep, tgt_key_padding_mask=~here,
                                 memory_key_padding_mask=~keep)}
        return {name: t.detach() for name, t in out.items()}
    net = Net(run, own=mha(), cross=mha(False), wide=mha(other=9), additive=Additive(D, D, 5), relative=Shaw(D, heads, 2),
              xl=TransformerXL(D, heads), positions=Learnt(20, D), post_encoder=stack("encoder", D, heads, 0.1),
              pre_encoder=stack("encoder", D, heads, 0.1, True), post_decoder=stack("decoder", D, heads, 0.1),
              pre_decoder=stack("decoder", D, heads, 0.1, True), whole=whole(0.1),
              classes=Group(post=nn.Linear(D, 10), pre=nn.Linear(D, 10), whole=nn.Linear(D, 10), look=nn.Linear(D, 10)),
              still=Group(post=stack("encoder", D, heads, 0.0), pre=stack("encoder", D, heads, 0.0, True), whole=whole(0.0)),
              look=Additive(D, D, 8), cell=nn.GRUCell(D, D))
    net.u, net.v = zeros(heads, D // heads), zeros(heads, D // heads)
    net.owners = {"attentions": [n + "." for n in net._modules if n not in ("classes", "still", "look", "cell")] + ["u", "v"]}
    return net


@learner
def after(m, image, label):
    return m.classes.post(m.still.post(image + sinusoidal(image.shape[1], image.shape[2], image.dtype)).mean(1))


@learner
def before(m, image, label):
    return m.classes.pre(m.still.pre(m.positions(image), mask=causal(image.shape[1])).mean(1))


@learner
def both(m, image, label):
    source, target = image[:, :6], image[:, 6:]
    return m.classes.whole(m.still.whole(source, target, tgt_mask=causal(target.shape[1]))[:, -1])


@learner
def looking(m, image, label):
    h = image.new_zeros(len(image), image.shape[2])
    for _ in range(3):
        h = m.cell(m.look(h, image)[0], h)
    return m.classes.look(h)


# ---- vocabulary.dl ----
def zipf_log(i, words):
    return torch.log(torch.log1p(1 / (i.double() + 1)) / math.log(words + 1))


def sampled_softmax(x, weight, bias, label, sample, words):
    mine = (x * weight[label]).sum(-1) - zipf_log(label, words).to(x.dtype)
    others = x @ weight[sample].T - zipf_log(sample, words).to(x.dtype)
    if bias is not None:
        mine, others = mine + bias[label], others + bias[sample]
    others = others.masked_fill(sample == label[:, None], -math.inf)
    return torch.logsumexp(torch.cat([mine[:, None], others], 1), 1) - mine


def negative_sampling(x, weight, label, noise):
    others = (weight[noise] * x[:, None]).sum(-1)
    return -F.logsigmoid((x * weight[label]).sum(-1)) - F.logsigmoid(-others).sum(1)


class Tree(nn.Module):
    """A balanced tree over the words as a heap: log P is a sum over the way from a word's leaf to the root."""

    def __init__(self, words, width):
        super().__init__()
        self.words, self.weight = words, zeros(words - 1, width)

    def forward(self, x, label):
        ways = []                                      # (row, node, turn)
        for row, word in enumerate(label.tolist()):
            node = self.words + word
            while node > 1:
                ways.append((row, node // 2 - 1, 1 - 2 * (node % 2)))
                node //= 2
        row, node, turn = torch.tensor(ways).T
        return x.new_zeros(len(x)).index_add(0, row, -F.logsigmoid(turn * (x[row] * self.weight[node]).sum(1)))


@model
def vocabulary(words=40, D=16):
    def run(m, x, label, sample, noise):
        weight, bias = m.scores.weight, m.scores.bias
        p = zipf_log(label, words)
        score = (x * weight[label]).sum(-1) + bias[label] - p - math.log(noise.shape[1])
        other = (weight[noise] * x[:, None]).sum(-1) + bias[noise] - zipf_log(noise, words) - math.log(noise.shape[1])
        edges = torch.tensor([0.05 * i for i in range(21)], dtype=torch.float32)
        out = {"rows": m.embedding(label), "tied": x @ m.embedding.weight.T + bias, "adaptive": m.adaptive(x, label).output,
               "adaptive_all": m.adaptive.log_prob(x),
               "whole": F.cross_entropy(F.linear(x, m.sampled.weight, m.sampled.bias), label)[None],
               "some": sampled_softmax(x, weight, bias, label, sample, words),
               "noisy": -F.logsigmoid(score) - F.logsigmoid(-other).sum(1), "negative": negative_sampling(x, weight, label, noise),
               "tree": m.hierarchical(x, label), "zipf": p,
               "smooth": F.cross_entropy(x @ weight.T, label, label_smoothing=0.1, ignore_index=3)[None],
               "found": torch.searchsorted(edges, x[:, 0].abs().float(), right=True).double()}
        return out

    def align(x, label, frames, length):
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            loss = F.ctc_loss(F.log_softmax(x, -1).transpose(0, 1), label, frames, length, reduction="none")
            slope, = torch.autograd.grad(loss.sum(), x)
        return {"loss": loss.detach(), "slope": slope}

    def adaptive(count, cutoffs, bias):
        return nn.AdaptiveLogSoftmaxWithLoss(D, count, cutoffs, div_value=2, head_bias=bias)
    net = Net(run, embedding=nn.Embedding(words, D, padding_idx=3), adaptive=adaptive(words, [10, 25], True), sampled=nn.Linear(D, words),
              hierarchical=Tree(words, D), scores=Group(weight=zeros(words, D), bias=zeros(words)),
              learnt=Group(embedding=nn.Embedding(16, D), lstm=nn.LSTM(D, D, batch_first=True), adaptive=adaptive(16, [4, 9], False),
                           tree=Tree(16, D), out=Group(weight=zeros(16, D))))
    net.entries = {"vocabulary": net, "alignments": align}
    net.owners = {"vocabulary": [n + "." for n in net._modules if n != "learnt"], "alignments": ["no"]}
    return net


def told(m, image):
    word = image.argmax(-1)
    h = m.learnt.lstm(m.learnt.embedding(word[:, :-1]))[0]
    return h.reshape(-1, h.shape[-1]), word[:, 1:].reshape(-1)


@learner
def tied_loss(m, image, label):
    h, following = told(m, image)
    return F.cross_entropy(h @ m.learnt.embedding.weight.T, following, label_smoothing=0.1)


@learner
def adaptive_loss(m, image, label):
    return m.learnt.adaptive(*told(m, image)).loss


@learner
def tree_loss(m, image, label):
    return m.learnt.tree(*told(m, image)).mean()


@learner
def negative_loss(m, image, label):
    h, following = told(m, image)
    noise = torch.stack([(following + 3 * k + 1) % 16 for k in range(4)], 1)
    return negative_sampling(h, m.learnt.out.weight, following, noise).mean()


@learner
def sampled_loss(m, image, label):
    h, following = told(m, image)
    return sampled_softmax(h, m.learnt.out.weight, None, following, torch.tensor([1, 4, 7, 4, 11]), 16).mean()


@learner
def ctc_loss(m, image, label):
    word = image.argmax(-1)
    n, T = word.shape
    logp = F.log_softmax(m.learnt.lstm(image)[0], -1)
    return F.ctc_loss(logp.transpose(0, 1), word[:, :3] % 15, torch.full((n,), T), torch.full((n,), 3), blank=15)
