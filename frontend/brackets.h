/* brackets.h - the lexer's second pass: newlines that end statements, and brackets (lexer.h). */
#ifndef FRONTEND_BRACKETS_H
#define FRONTEND_BRACKETS_H

#include "frontend/lexer.h"

/* Tokens as scanned, without newlines. */
typedef struct {
  Token *items;
  size_t count, room;
  VEC(uint32_t) bad; /* TokenList's */
  uint32_t broken;   /* where the last text without its closing quote begins */
  bool has_broken;
} RawTokens;

bool brackets_match(Arena *arena, Diagnostics *diagnostics, int32_t file, const RawTokens *raw,
                    TokenList *tokens);

#endif
