/* text_lexer.h - the tokens of the graph IR's text. Blanks, newlines and comments from # on
 * separate tokens; nothing else does. */
#ifndef IR_TEXT_LEXER_H
#define IR_TEXT_LEXER_H

#include "support/intern.h"
#include "support/source.h"

typedef enum {
  TOKEN_END,
  TOKEN_WORD,   /* text */
  TOKEN_INT,    /* integer, at most 2^63 */
  TOKEN_FLOAT,  /* real */
  TOKEN_STRING, /* text, escapes resolved */
  TOKEN_VALUE,  /* %7: text NULL, integer; %image: text */
  TOKEN_GLOBAL, /* @a.b: text */
  TOKEN_SIGN,   /* sign */
  TOKEN_BAD     /* text says why */
} TokenKind;

/* Signs of one character are themselves; those of several: */
enum { SIGN_ARROW = 256, SIGN_EQUAL, SIGN_LESS_EQUAL, SIGN_RANGE, SIGN_DOTS };

typedef struct {
  TokenKind kind;
  Span span;
  const char *text; /* interned */
  uint64_t integer;
  double real;
  int sign;
} Token;

typedef struct {
  Interner *names;
  const char *bytes;
  uint32_t at, length;
  int32_t file;
} Lexer;

Token lexer_next(Lexer *lexer);

#endif
