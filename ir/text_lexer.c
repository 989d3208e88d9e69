#include "ir/text_lexer.h"

#include "support/bug.h"

#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char peek(const Lexer *lexer, uint32_t ahead) {
  uint64_t at = (uint64_t)lexer->at + ahead;
  return at < lexer->length ? lexer->bytes[at] : 0;
}

static void skip_blanks(Lexer *lexer) {
  for (;;) {
    char c = peek(lexer, 0);
    if (lexer->at < lexer->length && c == '#')
      while (lexer->at < lexer->length && lexer->bytes[lexer->at] != '\n') lexer->at++;
    else if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
      lexer->at++;
    else
      return;
  }
}

static Token bad(Token token, const char *why) {
  token.kind = TOKEN_BAD;
  token.text = why;
  return token;
}

static const char *take(Lexer *lexer, uint32_t from) {
  return intern_bytes(lexer->names, lexer->bytes + from, lexer->at - from);
}

static Token number(Lexer *lexer, Token token) {
  uint32_t from = lexer->at;
  bool is_real = false, large = false;
  for (; is_digit(peek(lexer, 0)); lexer->at++) {
    uint64_t digit = (uint64_t)(peek(lexer, 0) - '0');
    large |= __builtin_mul_overflow(token.integer, 10, &token.integer) ||
             __builtin_add_overflow(token.integer, digit, &token.integer);
  }
  if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
    is_real = true;
    for (lexer->at++; is_digit(peek(lexer, 0));) lexer->at++;
  }
  char e = peek(lexer, 0), sign = peek(lexer, 1);
  if ((e == 'e' || e == 'E') &&
      (is_digit(sign) || ((sign == '-' || sign == '+') && is_digit(peek(lexer, 2))))) {
    is_real = true;
    for (lexer->at += 2; is_digit(peek(lexer, 0));) lexer->at++;
  }
  if (is_letter(peek(lexer, 0))) return bad(token, "a letter right after a number");
  if (is_real) {
    token.kind = TOKEN_FLOAT;
    if (lexer->at - from > 100) return bad(token, "a number of more than 100 characters");
    token.real = strtod(take(lexer, from), NULL);
    return token;
  }
  if (large || token.integer > (uint64_t)1 << 63) return bad(token, "a number beyond 64 bits");
  token.kind = TOKEN_INT;
  return token;
}

/* "..." on one line; \" \\ and \n are the escapes. */
static Token string(Lexer *lexer, Token token) {
  uint32_t from = ++lexer->at, escapes = 0;
  for (; peek(lexer, 0) != '"'; lexer->at++) {
    if (lexer->at >= lexer->length || peek(lexer, 0) == '\n' || peek(lexer, 0) == 0)
      return bad(token, "a text without its closing quote");
    if (peek(lexer, 0) == '\\') {
      char c = peek(lexer, 1);
      if (c != '"' && c != '\\' && c != 'n') return bad(token, "an unknown escape in a text");
      lexer->at++;
      escapes++;
    }
  }
  token.kind = TOKEN_STRING;
  token.text = take(lexer, from);
  lexer->at++;
  if (escapes) {
    char *plain = malloc(strlen(token.text) + 1), *to = plain;
    if (!plain) out_of_memory(strlen(token.text) + 1);
    for (const char *c = token.text; *c; c++) *to++ = *c != '\\' ? *c : *++c == 'n' ? '\n' : *c;
    *to = 0;
    token.text = intern(lexer->names, plain);
    free(plain);
  }
  return token;
}

/* What stands after % or @: a word (with dots after @), a number, or a text. */
static Token name(Lexer *lexer, Token token, char also) {
  uint32_t from = ++lexer->at;
  if (peek(lexer, 0) == '"') return string(lexer, token);
  bool has_letter = false;
  for (;; lexer->at++) {
    char c = peek(lexer, 0);
    if (!is_letter(c) && !is_digit(c) && !(also && c == also)) break;
    has_letter |= !is_digit(c);
  }
  if (lexer->at == from) return bad(token, "a name without a letter");
  if (also || (has_letter && is_letter(lexer->bytes[from]))) {
    token.text = take(lexer, from);
    return token;
  }
  lexer->at = from;
  return number(lexer, token);
}

static int sign(Lexer *lexer) {
  static const struct {
    const char *text;
    int sign;
  } signs[] = {{"...", SIGN_DOTS},
               {"->", SIGN_ARROW},
               {"==", SIGN_EQUAL},
               {"<=", SIGN_LESS_EQUAL},
               {"..", SIGN_RANGE}};
  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
    size_t length = strlen(signs[i].text);
    if (lexer->length - lexer->at < length ||
        memcmp(lexer->bytes + lexer->at, signs[i].text, length) != 0)
      continue;
    lexer->at += (uint32_t)length;
    return signs[i].sign;
  }
  return strchr("={}[](),:+-*/<>", lexer->bytes[lexer->at]) ? lexer->bytes[lexer->at++] : 0;
}

static Token scan(Lexer *lexer, Token token) {
  char c = peek(lexer, 0);
  if (lexer->at >= lexer->length) return token;
  if (is_letter(c)) {
    uint32_t from = lexer->at;
    while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0))) lexer->at++;
    token.kind = TOKEN_WORD;
    token.text = take(lexer, from);
    return token;
  }
  if (is_digit(c)) return number(lexer, token);
  if (c == '"') return string(lexer, token);
  if (c == '%' || c == '@') {
    token = name(lexer, token, c == '@' ? '.' : 0);
    if (token.kind != TOKEN_BAD) token.kind = c == '@' ? TOKEN_GLOBAL : TOKEN_VALUE;
    return token;
  }
  token.kind = TOKEN_SIGN;
  token.sign = c ? sign(lexer) : 0;
  return token.sign ? token : bad(token, "a character that means nothing here");
}

Token lexer_next(Lexer *lexer) {
  skip_blanks(lexer);
  Token token = {.kind = TOKEN_END, .span = {lexer->file, lexer->at, lexer->at}};
  token = scan(lexer, token);
  if (token.kind == TOKEN_BAD && lexer->at == token.span.from) lexer->at++;
  if (lexer->at > lexer->length) lexer->at = lexer->length;
  token.span.to = lexer->at;
  return token;
}
