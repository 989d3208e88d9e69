"""PyTorch models of the decade's language models and others: the pages of tests/programs.

PyTorch's own layers, or the papers' equations; where a page shifts, hoists or masks, here it is done
another way. Buffers are what lasts from call to call, under the pages' names.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

from models import LEARNERS, OWN, Net, learner, model

# (program, entry) -> an input's element and axes, by the names of dims and consts, or numbers
INPUTS = {
    ("word2vec", "analogy"): {"a": "i64 N", "b": "i64 N", "c": "i64 N"},
    ("glove", "vectors"): {"i": "i64 N"},
    ("nmt_attention", "begin"): {"source": "i64 N S"},
    ("nmt_attention", "next"): {"word": "i64 N", "h": "f32 N S 2hidden", "keys": "f32 N S hidden", "s": "f32 N hidden", "mask": "bool N S"},
    ("pointer_generator", "begin"): {"source": "i64 N S"},
    ("pointer_generator", "next"): {"word": "i64 N", "source": "i64 N S", "h": "f32 N S 2hidden", "keys": "f32 N S 2hidden", "s": "f32 N hidden",
                                    "c": "f32 N hidden", "context": "f32 N 2hidden", "coverage": "f32 N S"},
    ("elmo", "elmo"): {"c": "i64 N T longest_word", "mask": "bool N T"},
    ("transformer_xl", "next"): {"token": "i64 N T"},
    ("xlnet", "features"): {"token": "i64 N T", "segment": "i64 N T", "valid": "bool N T"},
    ("lstm_lm", "score"): {"token": "i64 N T"},
    ("gan", "sample"): {"z": "f32 N noise"},
    ("wgan_gp", "sample"): {"z": "f32 N 128"},
    ("init_study", "study"): {"x": "f32 N 784", "label": "i64 N"},
    ("double_descent", "logits"): {"image": "f32 N 3 32 32"},
}


def inputs(case):
    sizes = {**case.defines, **case.dims, "2hidden": 2 * case.defines.get("hidden", 0)}
    sizes["N"] = sizes["N"] * case.calls
    of = {name: text.split() for name, text in INPUTS[case.example, case.entry].items()}
    return {name: (words[0], tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in words[1:])) for name, words in of.items()}


def zeros(*shape):
    return nn.Parameter(torch.zeros(*shape))


def words_of(image):
    return image.argmax(-1)


# ---- word2vec ----
@model
def word2vec(words=50000, width=300, negatives=5, window=5, longest=40):
    def analogy(a, b, c):
        unit = F.normalize(net.syn0.weight)
        score = (unit[b] - unit[a] + unit[c]) @ unit.T
        for known in (a, b, c):
            score = score.scatter(1, known[:, None], -math.inf)
        best = score.topk(10)
        return {"score": best.values, "word": best.indices}
    net = Net(None, syn0=nn.Embedding(words, width), syn1neg=nn.Embedding(words, width), syn1=nn.Embedding(words - 1, width))
    net.entries, net.owners, net.consts = {"analogy": analogy}, {"analogy": ["syn0."]}, (words, negatives, window, longest)
    return net


def told_apart(m, u, word, noise):
    """Skip-gram's equation 4, with a minus, of all rows."""
    true = (u * m.syn1neg(word)).sum(1)
    false = torch.stack([(u * m.syn1neg(noise[:, k])).sum(1) for k in range(noise.shape[1])])
    return F.binary_cross_entropy_with_logits(true, torch.ones_like(true), reduction="sum") + \
        F.binary_cross_entropy_with_logits(false, torch.zeros_like(false), reduction="sum")


@learner
def skipgram(m, image, label):
    word = words_of(image)
    return told_apart(m, m.syn0(word[:, 0]), word[:, 1], word[:, 2 : 2 + m.consts[1]]) / len(word)


@learner
def cbow(m, image, label):
    (_, negatives, window, _), word = m.consts, words_of(image)
    u = torch.stack([m.syn0(row[: 2 * window][keep]).mean(0) if keep.any() else m.syn0.weight.new_zeros(m.syn0.weight.shape[1])
                     for row, keep in zip(word, image[:, : 2 * window, 0] > 0)])
    return told_apart(m, u, word[:, 2 * window], word[:, 2 * window + 1 : 2 * window + 1 + negatives]) / len(word)


@learner
def word_tree(m, image, label):
    (words, _, _, longest), word, loss = m.consts, words_of(image), 0
    for row in range(len(word)):
        for step in range(int(label[row]) % longest + 1):
            turn = 1.0 if image[row, 1 + step, 1] > 0 else -1.0
            loss = loss - F.logsigmoid(turn * (m.syn0(word[row, 0]) * m.syn1(word[row, 1 + step] % (words - 1))).sum())
    return loss / len(word)


# ---- GloVe ----
@model
def glove(words=50000, width=300):
    net = Net(None, focus=nn.Embedding(words, width), context=nn.Embedding(words, width),
              focus_bias=nn.Embedding(words, 1), context_bias=nn.Embedding(words, 1))
    net.entries = {"vectors": lambda i: net.focus(i) + net.context(i)}
    net.owners = {"vectors": ["focus.", "context."]}
    return net


@learner
def counted(m, image, label):
    word = words_of(image)
    i, j, count = word[:, 0], word[:, 1], 10 ** (1.5 * image[:, 2, 0] + 1.5)
    guess = torch.bmm(m.focus(i)[:, None], m.context(j)[:, :, None])[:, 0, 0] + m.focus_bias(i)[:, 0] + m.context_bias(j)[:, 0]
    weight = torch.where(count < 100, (count / 100) ** 0.75, torch.ones_like(count))
    return (weight * (guess - count.log()) ** 2).sum() / len(word)


# ---- RNNsearch ----
class Translator(nn.Module):
    def __init__(self, words, embed, hidden, maxout):
        super().__init__()
        self.source_embedding, self.target_embedding = nn.Embedding(words, embed), nn.Embedding(words, embed)
        self.encoder, self.init_state = nn.GRU(embed, hidden, bidirectional=True, batch_first=True), nn.Linear(hidden, hidden)
        self.W_a, self.U_a = nn.Linear(hidden, hidden, bias=False), nn.Linear(2 * hidden, hidden, bias=False)
        self.v_a = nn.Linear(hidden, 1, bias=False)
        self.cell = nn.ModuleList([nn.Linear(embed + 2 * hidden, 3 * hidden), nn.Linear(hidden, 3 * hidden)])
        self.readout, self.output = nn.Linear(embed + 3 * hidden, 2 * maxout), nn.Linear(maxout, words)
        first = ["source_embedding.", "encoder.", "init_state.", "U_a."]
        self.entries = {"begin": self.begin, "next": self.next}
        self.owners = {"begin": first, "next": ["target_embedding.", "W_a.", "v_a.", "cell.", "readout.", "output."]}

    def begin(self, source):
        h, last = self.encoder(self.source_embedding(source))
        return {"h": h, "keys": self.U_a(h), "s": torch.tanh(self.init_state(last[1])), "mask": source != 0}

    def decode(self, y, s, h, keys, mask):
        score = torch.cat([self.v_a(torch.tanh(self.W_a(s) + keys[:, j])) for j in range(h.shape[1])], 1)
        a = score.masked_fill(~mask, -math.inf).softmax(1)
        c = torch.bmm(a[:, None], h)[:, 0]
        x, u = self.cell[0](torch.cat([y, c], 1)).chunk(3, 1), self.cell[1](s).chunk(3, 1)
        r, z = torch.sigmoid(x[0] + u[0]), torch.sigmoid(x[1] + u[1])
        after = (1 - z) * torch.tanh(x[2] + r * u[2]) + z * s
        t = self.readout(torch.cat([s, y, c], 1))
        return self.output(torch.maximum(t[:, ::2], t[:, 1::2])), after, a

    def next(self, word, h, keys, s, mask):
        logits, s, a = self.decode(self.target_embedding(word), s, h, keys, mask)
        return {"logp": logits.log_softmax(1), "s": s, "alignment": a}


@model
def nmt_attention(words=30000, embed=620, hidden=1000, maxout=500):
    return Translator(words, embed, hidden, maxout)


@learner
def aligned(m, image, label):
    target = words_of(image)
    source = torch.cat([(target.flip(1) * 3 + 1) % 12, torch.zeros_like(target[:, :2])], 1)
    begun, word, loss = m.begin(source), torch.ones_like(target[:, 0]), []
    s = begun["s"]
    for t in range(target.shape[1]):
        logits, s, _ = m.decode(m.target_embedding(word), s, begun["h"], begun["keys"], begun["mask"])
        loss.append(F.cross_entropy(logits, target[:, t], ignore_index=0, reduction="sum"))
        word = target[:, t]
    return sum(loss) / (target != 0).sum()


# ---- pointer-generator ----
class Gates(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.input, self.output = nn.Linear(inputs, 4 * hidden), nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x, h, c):
        i, f, g, o = (self.input(x) + self.output(h)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Pointer(nn.Module):
    """Text by text, without padding; words by a sum over the places that hold them."""

    def __init__(self, words, extra, embed, hidden):
        super().__init__()
        self.words, self.extra, self.hidden, two = words, extra, hidden, 2 * hidden
        self.embedding, self.encoder = nn.Embedding(words, embed), nn.ModuleList([Gates(embed, hidden), Gates(embed, hidden)])
        self.reduce = nn.ModuleList([nn.Linear(two, hidden), nn.Linear(two, hidden)])
        self.W_h, self.W_s, self.w_c = nn.Linear(two, two, bias=False), nn.Linear(two, two), nn.Linear(1, two, bias=False)
        self.v, self.merge, self.decoder = nn.Linear(two, 1, bias=False), nn.Linear(embed + two, embed), Gates(embed, hidden)
        self.mixed, self.output, self.p_gen = nn.Linear(3 * hidden, hidden), nn.Linear(hidden, words), nn.Linear(4 * hidden + embed, 1)
        self.entries = {"begin": self.begin, "next": self.next}
        self.owners = {"begin": ["embedding.", "encoder.", "reduce.", "W_h."],
                       "next": ["embedding.", "W_s.", "w_c.", "v.", "merge.", "decoder.", "mixed.", "output.", "p_gen."]}

    def embedded(self, word):
        return self.embedding(word.masked_fill(word >= self.words, 1))

    def encode(self, source):
        h, lasts = source.new_zeros(len(source), source.shape[1], 2 * self.hidden, dtype=self.W_h.weight.dtype), []
        rows = []
        for row, text in enumerate(source):
            places, sides, last = text.nonzero()[:, 0], [], []
            for cell, order in zip(self.encoder, (places, places.flip(0))):
                state = [h.new_zeros(self.hidden)] * 2
                out = {}
                for at in order.tolist():
                    state = cell(self.embedded(text[at]), *state)
                    out[at] = state[0]
                sides.append(out)
                last.append(state)
            nothing = h.new_zeros(2 * self.hidden)
            rows.append(torch.stack([torch.cat([sides[0][at], sides[1][at]]) if at in sides[0] else nothing for at in range(len(text))]))
            lasts.append([torch.cat([last[0][i], last[1][i]]) for i in range(2)])
        s, c = (F.relu(layer(torch.stack([both[i] for both in lasts]))) for i, layer in enumerate(self.reduce))
        return torch.stack(rows), s, c

    def begin(self, source):
        h, s, c = self.encode(source)
        return {"h": h, "keys": self.W_h(h), "s": s, "c": c, "context": torch.zeros_like(h[:, 0]), "coverage": torch.zeros_like(h[..., 0])}

    def decode(self, word, source, h, keys, s, c, context, coverage):
        x = self.merge(torch.cat([self.embedded(word), context], 1))
        s, c = self.decoder(x, s, c)
        e = self.v(torch.tanh(keys + self.W_s(torch.cat([c, s], 1))[:, None] + coverage[..., None] * self.w_c.weight[:, 0]))[..., 0]
        a = e.masked_fill(source == 0, -math.inf).softmax(1)
        context = torch.bmm(a[:, None], h)[:, 0]
        share = torch.sigmoid(self.p_gen(torch.cat([context, c, s, x], 1)))
        own = share * self.output(self.mixed(torch.cat([s, context], 1))).softmax(1)
        held = F.one_hot(source, self.words + self.extra).to(a.dtype)
        p = torch.cat([own, own.new_zeros(len(own), self.extra)], 1) + (1 - share) * torch.einsum("ns,nsw->nw", a, held)
        return p, a, s, c, context

    def next(self, word, source, h, keys, s, c, context, coverage):
        p, a, s, c, context = self.decode(word, source, h, keys, s, c, context, coverage)
        return {"logp": torch.log(p + 1e-10), "s": s, "c": c, "context": context, "coverage": coverage + a}


@model
def pointer_generator(words=50000, extra=100, embed=128, hidden=256):
    return Pointer(words, extra, embed, hidden)


@learner
def copied(m, image, label):
    source = words_of(image)
    target = source[:, 2:6]
    begun, word, losses = m.begin(source), torch.full_like(target[:, 0], 2), []
    h, keys, s, c, context, coverage = begun.values()
    for t in range(target.shape[1]):
        p, a, s, c, context = m.decode(word, source, h, keys, s, c, context, coverage)
        word = target[:, t]
        losses.append(torch.minimum(a, coverage).sum(1) - torch.log(p.gather(1, word[:, None])[:, 0] + 1e-10))
        coverage = coverage + a
    counts = (target != 0).to(h.dtype)
    return ((torch.stack(losses, 1) * counts).sum(1) / counts.sum(1)).mean()


# ---- ELMo ----
class Characters(nn.Module):
    def __init__(self, chars, D, filters):
        super().__init__()
        self._char_embedding_weights = zeros(chars, 16)
        self.char_conv = nn.ModuleList(nn.Conv1d(16, count, width) for width, count in filters)
        width = sum(count for _, count in filters)
        self._highways = nn.Module()
        self._highways._layers = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(2))
        self._projection = nn.Linear(width, D)

    def forward(self, c):
        out = []
        for t in range(c.shape[1]):
            e = self._char_embedding_weights[c[:, t]].transpose(1, 2)
            x = F.relu(torch.cat([conv(e).amax(2) for conv in self.char_conv], 1))
            for both in self._highways._layers:
                plain, gate = both(x).chunk(2, 1)
                g = torch.sigmoid(gate)
                x = g * x + (1 - g) * F.relu(plain)
            out.append(self._projection(x))
        return torch.stack(out, 1)


class Projected(nn.Module):
    """At each step of the sentences that have a word there, and no others; zeros before the first."""

    def __init__(self, D, cells):
        super().__init__()
        self.input_linearity, self.state_linearity = nn.Linear(D, 4 * cells, bias=False), nn.Linear(D, 4 * cells)
        self.state_projection = nn.Linear(cells, D, bias=False)

    def forward(self, x, mask):
        h, c, ys = x.new_zeros(len(x), x.shape[2]), x.new_zeros(len(x), self.state_projection.in_features), []
        for t in range(x.shape[1]):
            rows = mask[:, t].nonzero()[:, 0]
            if len(rows):
                i, f, g, o = (self.input_linearity(x[rows, t]) + self.state_linearity(h[rows])).chunk(4, 1)
                cell = (torch.sigmoid(f) * c[rows] + torch.sigmoid(i) * torch.tanh(g)).clamp(-3, 3)
                c = c.index_copy(0, rows, cell)
                h = h.index_copy(0, rows, self.state_projection(torch.sigmoid(o) * torch.tanh(cell)).clamp(-3, 3))
            ys.append(h)
        return torch.stack(ys, 1)


FILTERS = [(1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)]


@model
def elmo(chars=262, longest_word=50, D=512, cells=4096, words=793471, thin=1):
    def layers(m, c, mask):
        x = m._token_embedder(c)
        sides = []
        for way, turn in ((m.forward_layer, False), (m.backward_layer, True)):
            keep = mask.flip(1) if turn else mask
            first = way[0](x.flip(1) if turn else x, keep)
            second = first + way[1](first, keep)
            sides.append([x] + [y.flip(1) if turn else y for y in (first, second)])
        return sides

    def mixed(c, mask):
        w = net.scalar_mix.scalar_parameters.softmax(0)
        return net.scalar_mix.gamma * sum(w[i] * torch.cat([f, b], 2) for i, (f, b) in enumerate(zip(*layers(net, c, mask))))
    net = Net(layers, _token_embedder=Characters(chars, D, [(w, n // thin) for w, n in FILTERS]),
              forward_layer=nn.ModuleList(Projected(D, cells) for _ in range(2)),
              backward_layer=nn.ModuleList(Projected(D, cells) for _ in range(2)), softmax_out=nn.Linear(D, words))
    net.scalar_mix = nn.Module()
    net.scalar_mix.gamma, net.scalar_mix.scalar_parameters = zeros(1), zeros(3)
    net.entries, net.consts = {"elmo": mixed}, words
    net.owners = {"elmo": ["_token_embedder.", "forward_layer.", "backward_layer.", "scalar_mix."]}
    return net


@learner
def both_ways(m, image, label):
    c = words_of(image)
    keep = torch.arange(c.shape[1]) < (label % c.shape[1] + 1)[:, None]
    forward, backward = m(c, keep)
    loss = 0
    for side, at in ((forward, 1), (backward, 2)):
        loss = loss + F.cross_entropy(m.softmax_out(side[2][keep]), c[:, :, at][keep] % m.consts)
    return loss


# ---- Transformer-XL ----
def sinusoid(far, D, dtype):
    angle = far.double()[:, None] * 10000.0 ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
    return torch.cat([angle.sin(), angle.cos()], 1).to(dtype)


class Relative(nn.Module):
    """Dai 2019, section 3.3, one query at a time by the distances themselves."""

    def __init__(self, D, heads):
        super().__init__()
        self.heads = heads
        self.qkv_net, self.r_net, self.o_net = (nn.Linear(D, k * D, bias=False) for k in (3, 1, 1))
        self.layer_norm = nn.LayerNorm(D)

    def forward(self, x, memory, u, v):
        (n, T, D), M, K = x.shape, memory.shape[1], x.shape[2] // self.heads
        q, k, value = (y.reshape(n, M + T, self.heads, K) for y in self.qkv_net(torch.cat([memory, x], 1)).chunk(3, 2))
        place, out = self.r_net(sinusoid(torch.arange(M + T), D, x.dtype)).reshape(M + T, self.heads, K), []
        for i in range(M, M + T):
            far = i - torch.arange(i + 1)
            score = torch.einsum("nhk,njhk->nhj", q[:, i] + u, k[:, : i + 1]) + torch.einsum("nhk,jhk->nhj", q[:, i] + v, place[far])
            out.append(torch.einsum("nhj,njhk->nhk", (score / math.sqrt(K)).softmax(2), value[:, : i + 1]).reshape(n, D))
        return self.layer_norm(x + self.o_net(torch.stack(out, 1)))


@model
def transformer_xl(vocab=204, D=512, heads=8, inner=2048, depth=12, memory=512, drop=0.1, shortlist=0, most=32):
    def feed(m, x):
        return m.layer_norm(x + m.CoreNet[3](F.relu(m.CoreNet[0](x))))

    def block(m, x, u, v):
        old = m.mem[: len(x)].clone()
        m.mem[: len(x)] = torch.cat([old, x.detach()], 1)[:, -memory:]
        return m.pos_ff(m.dec_attn(x, old, u, v))

    def layer():
        m = Net(block, dec_attn=Relative(D, heads),
                pos_ff=Net(feed, CoreNet=nn.ModuleList([nn.Linear(D, inner), nn.Identity(), nn.Identity(), nn.Linear(inner, D)]),
                           layer_norm=nn.LayerNorm(D)))
        m.register_buffer("mem", torch.zeros(most, memory, D))
        return m

    ends = [0, shortlist, 2 * shortlist, 10 * shortlist, vocab] if shortlist else [0, vocab]
    last = len(ends) - 2

    def vector(m, word):
        """Of one word at a time, from its cluster's table."""
        i = max(i for i in range(last + 1) if ends[i] <= word)
        e = m.word_emb.emb_layers[i].weight[word - ends[i]]
        return m.word_emb.emb_projs[i] @ e if last else e

    def scores(m, x):
        """The head's share of a cluster, times the cluster's own of a word."""
        if not last:
            return x @ m.word_emb.emb_layers[0].weight.T + m.crit.out_layers[0].bias
        own = [x @ m.word_emb.emb_projs[i] @ m.word_emb.emb_layers[i].weight.T + m.crit.out_layers[i].bias for i in range(last + 1)]
        gates = x @ m.word_emb.emb_projs[0] @ m.crit.cluster_weight.T + m.crit.cluster_bias
        all_of_head = torch.cat([own[0], gates], -1).log_softmax(-1)
        shares = [all_of_head[..., :shortlist]] + [all_of_head[..., -i, None] + own[i].log_softmax(-1) for i in range(1, last + 1)]
        return torch.cat(shares, -1)

    def run(m, token):
        x = torch.stack([torch.stack([vector(m, word) for word in row]) for row in token.tolist()]) * math.sqrt(D)
        for one in m.layers:
            x = one(x, m.r_w_bias, m.r_r_bias)
        return scores(m, x)

    net = Net(run, layers=nn.ModuleList(layer() for _ in range(depth)))
    net.word_emb, net.crit = nn.Module(), nn.Module()
    net.word_emb.emb_layers = nn.ModuleList(nn.Embedding(ends[i + 1] - ends[i], D // 4**i) for i in range(last + 1))
    net.crit.out_layers = nn.ModuleList(nn.Module() for _ in range(last + 1))
    for i in range(last + 1):
        net.crit.out_layers[i].bias = zeros(ends[i + 1] - ends[i])
    if last:
        net.word_emb.emb_projs = nn.ParameterList(zeros(D, D // 4**i) for i in range(last + 1))
        net.crit.cluster_weight, net.crit.cluster_bias = zeros(last, D), zeros(last)
    net.r_w_bias, net.r_r_bias = zeros(heads, D // heads), zeros(heads, D // heads)
    net.entries = {"next": lambda token: net(token)[:, -1]}
    return net


@learner
def remembered(m, image, label):
    token = words_of(image)
    return F.cross_entropy(m(token[:, :-1]).flatten(0, 1), token[:, 1:].flatten())


# ---- XLNet ----
class TwoStreams(nn.Module):
    """Scores of a query at place i by the distance i - j to each key, no shifting; a query is of a place, not spread over all."""

    def __init__(self, D, heads):
        super().__init__()
        K = D // heads
        self.q, self.k, self.v, self.o, self.r = (zeros(D, heads, K) for _ in range(5))
        self.r_r_bias, self.r_s_bias, self.r_w_bias = (zeros(heads, K) for _ in range(3))
        self.seg_embed, self.layer_norm = zeros(2, heads, K), nn.LayerNorm(D, 1e-12)

    def look(self, query, at, key, value, segment, mask):
        """`query` [N, M, heads, K] at the places `at` [N, M] of the texts; mask [N, M, T]: what is seen."""
        T, D, K = key.shape[1], self.q.shape[0], query.shape[3]
        far = at[..., None] - torch.arange(T)
        place = torch.einsum("fd,dhk->fhk", sinusoid(torch.arange(-T, T), D, query.dtype), self.r)[far + T]
        kind = self.seg_embed[(segment.gather(1, at)[..., None] != segment[:, None]).long()]
        score = torch.einsum("nmhk,njhk->nmhj", query + self.r_w_bias, key)
        score = score + torch.einsum("nmhk,nmjhk->nmhj", query + self.r_r_bias, place)
        score = (score + torch.einsum("nmhk,nmjhk->nmhj", query + self.r_s_bias, kind)) / math.sqrt(K)
        return torch.einsum("nmhj,njhk->nmhk", score.masked_fill(~mask[:, :, None], -1e30).softmax(3), value)

    def stream(self, x, at, h, segment, mask):
        query, key, value = (torch.einsum("ntd,dhk->nthk", y, w) for y, w in ((x, self.q), (h, self.k), (h, self.v)))
        return self.layer_norm(x + torch.einsum("nthk,dhk->ntd", self.look(query, at, key, value, segment, mask), self.o))


@model
def xlnet(vocab=32000, D=768, heads=12, inner=3072, depth=12, drop=0.1):
    def feed(m, x):
        return m.layer_norm(x + m.layer_2(F.gelu(m.layer_1(x))))

    def trunk(token, segment, sees, at=None, g_sees=None):
        """h, and g of the predicted places `at`, if there are any."""
        h, all_places = net.transformer.word_embedding(token), torch.arange(token.shape[1]).expand(token.shape)
        g = None if at is None else net.transformer.mask_emb.expand(*at.shape, D)
        for layer in net.transformer.layer:
            before = h
            h = layer.ff(layer.rel_attn.stream(h, all_places, before, segment, sees))
            if at is not None:
                g = layer.ff(layer.rel_attn.stream(g, at, before, segment, g_sees))
        return h, g

    def features(token, segment, valid):
        return trunk(token, segment, valid[:, None].expand(-1, token.shape[1], -1))[0]
    net = Net(None)
    net.transformer, net.lm_loss, net.trunk = nn.Module(), nn.Module(), trunk
    net.transformer.word_embedding, net.transformer.mask_emb = nn.Embedding(vocab, D), zeros(1, 1, D)
    net.transformer.layer = nn.ModuleList(Net(None, rel_attn=TwoStreams(D, heads), ff=Net(
        feed, layer_1=nn.Linear(D, inner), layer_2=nn.Linear(inner, D), layer_norm=nn.LayerNorm(D, 1e-12))) for _ in range(depth))
    net.lm_loss.bias = zeros(vocab)
    net.entries = {"features": features}
    net.owners = {"features": ["transformer.word_embedding.", "transformer.layer."]}
    return net


@learner
def permuted(m, image, label):
    token, ranks = words_of(image), image[:, :, 0].argsort(1).argsort(1)
    n, T = token.shape
    at = torch.tensor([[row.index(rank) for rank in (T - 1, T - 2, 0)] for row in ranks.tolist()])
    before = ranks[:, None] < ranks[:, :, None]
    g_sees = before.gather(1, at[..., None].expand(-1, -1, T))
    g = m.trunk(token, token % 2, before | torch.eye(T, dtype=torch.bool), at, g_sees)[1]
    scores = g @ m.transformer.word_embedding.weight.T + m.lm_loss.bias
    return F.cross_entropy(scores.flatten(0, 1), token.gather(1, at).flatten())


# ---- the LSTM of Zaremba ----
class Lasting(nn.LSTM):
    """Its states stay, for at most `most` sequences at once, as buffers under the page's names."""

    def __init__(self, width, most=20):
        super().__init__(width, width, 2, batch_first=True)
        for name in ("h_l0", "c_l0", "h_l1", "c_l1"):
            self.register_buffer(name, torch.zeros(most, width))

    def forward(self, x):
        n = len(x)
        first = [torch.stack([getattr(self, name + "_l%d" % l)[:n] for l in range(2)]) for name in "hc"]
        y, last = super().forward(x, tuple(first))
        for name, both in zip("hc", last):
            for l in range(2):
                getattr(self, name + "_l%d" % l)[:n] = both[l].detach()
        return y


@model
def lstm_lm(vocab=10000, width=650, drop=0.5):
    def run(m, token):
        return m.decoder(m.rnn(m.encoder(token)))
    net = Net(run, encoder=nn.Embedding(vocab, width), rnn=Lasting(width), decoder=nn.Linear(width, vocab))
    net.entries = {"score": lambda token: net(token).log_softmax(2)}
    return net


def clipped(m, lr):
    def learn(image, label):
        m.zero_grad()
        loss = remembered(m, image, label)
        (loss * (image.shape[1] - 1)).backward()
        nn.utils.clip_grad_norm_(m.parameters(), 5.0)
        with torch.no_grad():
            for p in m.parameters():
                p -= lr * p.grad
        return loss.item()
    return learn


LEARNERS["lasting"], OWN["lasting"] = remembered, clipped


# ---- generative adversarial nets ----
class Maxout(nn.Module):
    def __init__(self, inputs, units):
        super().__init__()
        self.z = nn.Linear(inputs, 5 * units)

    def forward(self, x):
        return self.z(x).unflatten(1, (-1, 5)).amax(2)


@model
def gan(saturating=False, noise=100, pixels=784, hidden=1200, units=240, drop=0.5, drop_pixels=0.2):
    def make(m, z):
        return torch.sigmoid(m.fc3(F.relu(m.fc2(F.relu(m.fc1(z))))))

    def judge(m, x):
        return m.fc(m.h2(m.h1(x)))[:, 0]
    net = Net(None, G=Net(make, fc1=nn.Linear(noise, hidden), fc2=nn.Linear(hidden, hidden), fc3=nn.Linear(hidden, pixels)),
              D=Net(judge, h1=Maxout(pixels, units), h2=Maxout(units, units), fc=nn.Linear(units, 1)))
    net.entries, net.owners, net.consts = {"sample": net.G}, {"sample": ["G."]}, (pixels, saturating in (True, "true"))
    return net


def judged(m, image):
    pixels = m.consts[0]
    real, fake = m.D(image[:, :pixels]), m.D(m.G(image[:, pixels:]).detach())
    return F.binary_cross_entropy_with_logits(real, torch.ones_like(real)) + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))


def seen(m, image):
    d = m.D(m.G(image.flip(0)[:, m.consts[0]:]))
    return torch.log(1 - torch.sigmoid(d)).mean() if m.consts[1] else F.binary_cross_entropy_with_logits(d, torch.ones_like(d))


def by_turns(losses, optimizer):
    """Each side, the judge and the maker, takes a step of its own loss."""
    def of(m, lr):
        steps = [optimizer(side.parameters(), lr) for side in (m.D, m.G)]

        def learn(image, label):
            both = 0
            for loss_of, step in zip(losses, steps):
                loss = loss_of(m, image)
                m.zero_grad()
                loss.backward()
                step.step()
                both += loss.item()
            return both
        return learn
    return of


def both_sides(m, image, label):
    return judged(m, image) + seen(m, image)


for name in ("fooled", "minimax"):
    LEARNERS[name] = both_sides
    OWN[name] = by_turns((judged, seen), lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.5))


# ---- Wasserstein GAN with the gradient's penalty ----
@model
def wgan_gp(width=64, penalty=True):
    def make(m, z):
        x = F.relu(m.up1(F.relu(m.fc(z)).view(-1, 4 * width, 4, 4)))
        return torch.sigmoid(m.up3(F.relu(m.up2(x[:, :, :7, :7]))))

    def judge(m, x):
        for conv in (m.conv1, m.conv2, m.conv3):
            x = F.leaky_relu(conv(x), 0.2)
        return m.fc(x.flatten(1))[:, 0]
    down = [nn.Conv2d(i, o, 5, 2, 2) for i, o in ((1, width), (width, 2 * width), (2 * width, 4 * width))]
    net = Net(None, G=Net(make, fc=nn.Linear(128, 64 * width), up1=nn.ConvTranspose2d(4 * width, 2 * width, 5),
                          up2=nn.ConvTranspose2d(2 * width, width, 5), up3=nn.ConvTranspose2d(width, 1, 8, 2)),
              D=Net(judge, conv1=down[0], conv2=down[1], conv3=down[2], fc=nn.Linear(64 * width, 1)))
    net.entries, net.owners = {"sample": net.G}, {"sample": ["G."]}
    return net


def distance(m, image):
    real, a = image[:, :784].reshape(-1, 1, 28, 28), (image[:, 912] / 2 + 0.5)[:, None, None, None]
    fake = m.G(image[:, 784:912]).detach()
    with torch.enable_grad():
        mix = (a * real + (1 - a) * fake).requires_grad_()
        slope, = torch.autograd.grad(m.D(mix).sum(), mix, create_graph=True)
        return m.D(fake).mean() - m.D(real).mean() + 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def admired(m, image):
    return -m.D(m.G(image.flip(0)[:, 784:912])).mean()


LEARNERS["steep"] = lambda m, image, label: distance(m, image) + admired(m, image)
OWN["steep"] = by_turns((distance, admired), lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, betas=(0.5, 0.9)))


# ---- studies of training ----
class Masked(nn.Linear):
    def __init__(self, inputs, out):
        super().__init__(inputs, out)
        for name in ("mask", "first"):
            self.register_buffer(name, torch.zeros(out, inputs))

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


@model
def lottery():
    def run(m, image):
        return m.fc3(F.relu(m.fc2(F.relu(m.fc1(image)))))
    return Net(run, fc1=Masked(784, 300), fc2=Masked(300, 100), fc3=Masked(100, 10))


@learner
def ticket(m, image, label):
    return F.cross_entropy(m(image), label)


@model
def init_study(depth=5, width=1000, init="xavier", act="tanh"):
    def study(x, label):
        with torch.enable_grad():
            hs = [x]
            for layer in net.hidden:
                hs.append({"tanh": torch.tanh, "relu": F.relu, "softsign": F.softsign, "sigmoid": torch.sigmoid}[act](layer(hs[-1])))
            slopes = torch.autograd.grad(F.cross_entropy(net.output(hs[-1]), label), hs[1:])
        return {"activations": torch.stack([h.detach().var(unbiased=False) for h in hs[1:]]),
                "gradients": torch.stack([g.var(unbiased=False) for g in slopes])}
    net = Net(None, hidden=nn.ModuleList(nn.Linear(784 if i == 0 else width, width) for i in range(depth)), output=nn.Linear(width, 10))
    net.entries = {"study": study}
    return net


class Preactivated(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(width)
        self.conv1, self.conv2 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.Conv2d(width, width, 3, 1, 1, bias=False)
        if stride > 1 or inputs != width:
            self.shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False)

    def forward(self, x):
        y = F.relu(self.bn1(x))
        x = self.shortcut(y) if hasattr(self, "shortcut") else x
        return x + self.conv2(F.relu(self.bn2(self.conv1(y))))


@model
def double_descent(k=64, classes=10):
    def run(m, image):
        return m.fc(m.blocks(m.first(image)).mean((2, 3)))
    widths = [k * 2 ** (i // 2) for i in range(8)]
    blocks = [Preactivated(widths[max(i - 1, 0)], widths[i], 2 if i > 0 and i % 2 == 0 else 1) for i in range(8)]
    return Net(run, first=nn.Conv2d(3, k, 3, 1, 1, bias=False), blocks=nn.Sequential(*blocks), fc=nn.Linear(8 * k, classes))


@learner
def descending(m, image, label):
    return F.cross_entropy(m(image), label)
