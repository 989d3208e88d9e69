"""PyTorch models of the examples that read and write text, besides BERT."""
import math

import torch
from torch import nn
from torch.nn import functional as F

from models import Net, learner, model


# ---- GPT-2, by its published code's equations ----
class Conv1D(nn.Module):
    def __init__(self, inputs, out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(inputs, out)), nn.Parameter(torch.zeros(out))

    def forward(self, x):
        return x @ self.weight + self.bias


@model
def gpt2(D=768, depth=12, vocab=50257, longest=1024, drop=0.1):
    def attend(m, x):
        n, T = x.shape[:2]
        q, k, v = (y.view(n, T, D // 64, 64).transpose(1, 2) for y in m.c_attn(x).split(D, 2))
        later = torch.ones(T, T, dtype=torch.bool).triu(1)
        a = F.dropout((q @ k.transpose(2, 3) / 8.0).masked_fill(later, -math.inf).softmax(3), drop, m.training)
        return F.dropout(m.c_proj((a @ v).transpose(1, 2).reshape(x.shape)), drop, m.training)

    def feed(m, x):
        x = m.c_fc(x)
        x = 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return F.dropout(m.c_proj(x), drop, m.training)

    def run_block(m, x):
        x = x + m.attn(m.ln_1(x))
        return x + m.mlp(m.ln_2(x))

    def run(m, token):
        x = F.dropout(m.wte(token) + m.wpe(torch.arange(token.shape[1])), drop, m.training)
        for block in m.h:
            x = block(x)
        return {"logits": m.ln_f(x) @ m.wte.weight.T}
    return Net(run, wte=nn.Embedding(vocab, D), wpe=nn.Embedding(longest, D), ln_f=nn.LayerNorm(D), h=nn.ModuleList(
        Net(run_block, ln_1=nn.LayerNorm(D), ln_2=nn.LayerNorm(D), attn=Net(attend, c_attn=Conv1D(D, 3 * D), c_proj=Conv1D(D, D)),
            mlp=Net(feed, c_fc=Conv1D(D, 4 * D), c_proj=Conv1D(4 * D, D))) for _ in range(depth)))


# ---- GPT: the paper's equations, a place at a time ----
@model
def gpt(D=768, depth=12, vocab=40478, longest=512, drop=0.0):
    def attend(m, x):
        parts, heads = m.c_attn(x).chunk(3, 2), []
        for at in range(0, D, 64):
            q, k, v = (y[..., at : at + 64] for y in parts)
            heads.append(torch.stack([((q[:, t, None] * k[:, : t + 1]).sum(2) / 8).softmax(1)[:, None] @ v[:, : t + 1] for t in range(x.shape[1])], 1)[:, :, 0])
        return m.c_proj(torch.cat(heads, 2))

    def feed(m, x):
        return m.c_proj(F.gelu(m.c_fc(x), approximate="tanh"))

    def run_block(m, x):
        x = m.ln_1(x + m.attn(x))
        return m.ln_2(x + m.mlp(x))

    def run(m, token):
        x = m.tokens_embed(token) + m.positions_embed.weight[: token.shape[1]]
        for block in m.h:
            x = block(x)
        return {"logits": x @ m.tokens_embed.weight.T}
    net = Net(run, tokens_embed=nn.Embedding(vocab, D), positions_embed=nn.Embedding(longest, D), h=nn.ModuleList(
        Net(run_block, ln_1=nn.LayerNorm(D), ln_2=nn.LayerNorm(D), attn=Net(attend, c_attn=Conv1D(D, 3 * D), c_proj=Conv1D(D, D)),
            mlp=Net(feed, c_fc=Conv1D(D, 4 * D), c_proj=Conv1D(4 * D, D))) for _ in range(depth)))
    net.entries = {"gpt": net, "next": lambda token, pos: {"logits": net(token)["logits"][:, -1]}}
    return net


# ---- the Transformer: PyTorch's layers, the paper's sizes ----
@model
def transformer(D=512, heads=8, inner=2048, depth=6, pieces=37000, longest=256, drop=0.1):
    def positions(n, dtype):
        angle = torch.arange(n, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(0, D, 2, dtype=torch.float64) / D)
        return torch.stack([angle.sin(), angle.cos()], 2).reshape(n, D).to(dtype)

    def run(m, source, before):
        def embed(token):
            x = m.embedding(token) * math.sqrt(D)
            return F.dropout(x + positions(token.shape[1], x.dtype), drop, m.training)
        with torch.enable_grad():                      # never by inference's fast path
            hidden = source == 0
            memory = m.encoder(embed(source), src_key_padding_mask=hidden)
            later = torch.ones(before.shape[1], before.shape[1], dtype=torch.bool).triu(1)
            y = m.decoder(embed(before), memory, tgt_mask=later, memory_key_padding_mask=hidden)
            return {"logits": y @ m.embedding.weight.T}
    return Net(run, embedding=nn.Embedding(pieces, D),
               encoder=nn.TransformerEncoder(nn.TransformerEncoderLayer(D, heads, inner, drop, batch_first=True), depth),
               decoder=nn.TransformerDecoder(nn.TransformerDecoderLayer(D, heads, inner, drop, batch_first=True), depth))


# ---- letter by letter ----
@model
def char_rnn(cell="lstm", vocab=128, hidden=256, depth=2, drop=0.0):
    def run(m, token):
        return {"logits": m.decoder(m.rnn(m.encoder(token))[0])}
    kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
    return Net(run, encoder=nn.Embedding(vocab, hidden), rnn=kind(hidden, hidden, depth, batch_first=True, dropout=drop),
               decoder=nn.Linear(hidden, vocab))


# ---- what learning curves train: curves.py says it in .dl ----
def letters(m, image):
    token = image.argmax(-1)
    return F.cross_entropy(m(token[:, :-1])["logits"].flatten(0, 1), token[:, 1:].flatten())


@learner
def char_lstm(m, image, label):
    return letters(m, image)


@learner
def char_gru(m, image, label):
    return letters(m, image)


@learner
def spoken(m, image, label):
    return letters(m, image)


@learner
def foretold(m, image, label):
    token = image.argmax(-1)
    return F.cross_entropy(m(token[:, :-1])["logits"].flatten(0, 1), token[:, 1:].flatten())


@learner
def masked_words(m, image, label):
    token = image.argmax(-1)
    guess = (torch.arange(token.shape[1]) % 3 == 1).expand(token.shape)
    out = m(token.masked_fill(guess, 0), token % 2, token != 7)
    return F.cross_entropy(out["words"].flatten(0, 1), token.masked_fill(~guess, -100).flatten()) + F.cross_entropy(out["next"], label % 2)


@learner
def translated(m, image, label):
    token = image.argmax(-1)
    before = torch.cat([torch.ones_like(token[:, :1]), token[:, :-1]], 1)
    out = m((token.flip(1) * 3 + 1) % 12, before)["logits"]
    return F.cross_entropy(out.flatten(0, 1), token.flatten(), label_smoothing=0.1, ignore_index=0)
