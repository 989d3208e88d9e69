/* The next token, if it is what is expected. */
#include "ir/parse.h"

#include <string.h>

void parser_advance(Parser *p) {
  p->end = (Span){p->token.span.file, p->token.span.to, p->token.span.to};
  p->token = p->ahead;
  p->ahead = lexer_next(&p->lexer);
}

bool parser_fail(Parser *p, DiagnosticCode code, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = arena_vformat(p->arena, format, args);
  va_end(args);
  diag_report(p->diagnostics, code, span, "%s", message);
  return false;
}

bool parser_expected(Parser *p, const char *what) {
  const Token *t = &p->token;
  if (t->kind == TOKEN_BAD) return parser_fail(p, E0801, t->span, "%s", t->text);
  if (t->kind == TOKEN_END)
    return parser_fail(p, E0801, p->end, "%s is missing at the end of the text", what);
  uint32_t length = t->span.to - t->span.from;
  return parser_fail(p, E0801, t->span, "%s is expected, not '%.*s'", what,
                     (int)(length < 40 ? length : 40), p->lexer.bytes + t->span.from);
}

bool parser_is_sign(const Parser *p, int sign) {
  return p->token.kind == TOKEN_SIGN && p->token.sign == sign;
}

bool parser_is_word(const Parser *p, const char *word) {
  return p->token.kind == TOKEN_WORD && strcmp(p->token.text, word) == 0;
}

bool parser_take_sign(Parser *p, int sign) {
  if (!parser_is_sign(p, sign)) return false;
  parser_advance(p);
  return true;
}

bool parser_take_word(Parser *p, const char *word) {
  if (!parser_is_word(p, word)) return false;
  parser_advance(p);
  return true;
}

bool parser_sign(Parser *p, int sign) {
  static const char *const names[] = {"'->'", "'=='", "'<='", "'..'", "'...'"};
  if (parser_take_sign(p, sign)) return true;
  const char one[] = {'\'', (char)sign, '\'', 0};
  return parser_expected(p, sign >= SIGN_ARROW ? names[sign - SIGN_ARROW] : one);
}

bool parser_word(Parser *p, const char **word, const char *what) {
  if (p->token.kind != TOKEN_WORD) return parser_expected(p, what);
  *word = p->token.text;
  parser_advance(p);
  return true;
}

bool parser_any_name(Parser *p, const char **name, const char *what) {
  if (p->token.kind != TOKEN_STRING) return parser_word(p, name, what);
  *name = p->token.text;
  parser_advance(p);
  return true;
}

bool parser_integer(Parser *p, int64_t *value, const char *what) {
  if (p->token.kind != TOKEN_INT) return parser_expected(p, what);
  if (p->token.integer > INT64_MAX)
    return parser_fail(p, E0801, p->token.span, "a number beyond 64 bits");
  *value = (int64_t)p->token.integer;
  parser_advance(p);
  return true;
}

bool parser_deeper(Parser *p) {
  if (++p->depth <= MOST_NESTING) return true;
  return parser_fail(p, E0805, p->token.span, "more than %d levels of nesting", MOST_NESTING);
}

bool parser_global(Parser *p, const char **name) {
  if (p->token.kind != TOKEN_GLOBAL) return parser_expected(p, "a @name");
  *name = p->token.text;
  parser_advance(p);
  return true;
}
