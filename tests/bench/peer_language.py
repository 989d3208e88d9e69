"""GPT-2's entry `next` for the peers: a text's first tokens, and one token more with a cache of keys and values.

The modules hold the network of tests/reference/language_models.py. For ONNX a cache's tensors k0, v0, k1, ..
are inputs, and what is new of them comes out beside the logits: no peer copies a cache. In PyTorch they
lie in buffers as long as the network's texts may be, and the new rows are written there, as dlc does.
"""
import torch
from torch import nn
from torch.nn import functional as F


class Text(nn.Module):
    """The tokens from `first` on; gives the logits of the last one and, with `new`, their keys and values."""

    def __init__(self, net, first, new):
        super().__init__()
        self.net, self.first, self.new = net, first, new

    def attend(self, number, q, k, v):
        """Of the text alone: `first` is 0."""
        if hasattr(F, "scaled_dot_product_attention"):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        later = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool).triu(1)
        return (q @ k.transpose(2, 3) / 8.0).masked_fill(later, -torch.inf).softmax(3) @ v

    def forward(self, token, *caches):
        net, new = self.net, []
        x = net.wte(token) + net.wpe(torch.arange(token.shape[1]) + self.first)
        for number, block in enumerate(net.h):
            heads = (*x.shape[:2], x.shape[2] // 64, 64)
            q, k, v = (y.reshape(heads).transpose(1, 2) for y in block.attn.c_attn(block.ln_1(x)).split(x.shape[2], 2))
            y = self.attend(number, q, k, v, *caches[2 * number : 2 * number + 2])
            x = x + block.attn.c_proj(y.transpose(1, 2).reshape(x.shape))
            x = x + block.mlp(block.ln_2(x))
            new += [k, v]
        logits = net.ln_f(x[:, -1]) @ net.wte.weight.T
        return {"logits": logits, **dict(zip(cache_names(net), new))} if self.new else {"logits": logits}


class Token(Text):
    """One token. Its score stands beside those of the cache, so that none of it is copied."""

    def attend(self, number, q, k, v, keys, values):
        score = torch.cat([q @ keys.transpose(2, 3), (q * k).sum(3, keepdim=True)], 3) / 8.0
        p = score.softmax(3)
        return p[..., : self.first] @ values + p[..., self.first :] * v


class TokenInPlace(Text):
    """The same in PyTorch, with the caches as they are after `first` tokens."""

    def __init__(self, net, first, caches):
        super().__init__(net, first, False)
        self.caches = [torch.zeros(*c.shape[:2], net.wpe.weight.shape[0], c.shape[3]) for c in caches]
        for room, cache in zip(self.caches, caches):
            room[:, :, :first] = cache

    def attend(self, number, q, k, v):
        end = self.first + 1
        keys, values = self.caches[2 * number : 2 * number + 2]
        keys[:, :, self.first : end] = k
        values[:, :, self.first : end] = v
        return F.scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end])


def cache_names(net):
    return [kind + str(number) for number in range(len(net.h)) for kind in "kv"]


def make_caches(net, token):
    """Name -> what the tokens leave in the caches."""
    made = Text(net, 0, True)(token)
    return {name: made[name] for name in cache_names(net)}


def place(net, first, caches):
    """The module that PyTorch is timed with."""
    return TokenInPlace(net, first, caches) if first else Text(net, 0, True)
