/* lexer.h - the text of a .dl file as a list of tokens that the parser can trust.
 *
 * lexer.l finds words and signs. lexer_tokens then
 *   - decides which newlines end a statement (token NEWLINE): not inside ( [ or a map's { }, nor
 *     after an operator, a comma or {, nor before |>, -> or else;
 *   - matches brackets. A missing one is reported and put in, one too many is reported and left
 *     out, so that the parser sees balanced brackets and says nothing more of them.
 * The list always ends with NEWLINE (unless it is empty) and END.
 */
#ifndef FRONTEND_LEXER_H
#define FRONTEND_LEXER_H

#include "frontend/syntax.h"

#include "frontend/parser.tab.h"

typedef DLPARSE_STYPE TokenValue;

typedef struct Token {
  int kind;   /* parser.tab.h's, or the sign itself */
  bool first; /* of its line */
  bool block; /* of a brace: around statements, not a map */
  uint32_t from, to;
  uint32_t match; /* of a bracket: the index of the other one */
  union {
    const char *name;
    int64_t integer;
    double number;
  } value;
} Token;

typedef struct {
  Token *items;
  size_t count;
  /* Where single tokens were wrong, in order: the parser keeps silent of what follows from it. */
  const uint32_t *bad;
  size_t bad_count;
} TokenList;

enum { LEXER_LONGEST = 256 << 20 }; /* bytes of a file */

/* False if the text is not one (NUL bytes, not UTF-8) or nests too deeply; that is reported. */
bool lexer_tokens(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file,
                  TokenList *tokens);

/* lexer.l's side. */
typedef struct Lexer Lexer;
void lexer_place(Lexer *lexer, size_t length, Span *span);
void lexer_newline(Lexer *lexer);
void lexer_word(Lexer *lexer, const char *text, size_t length, TokenValue *value);
void lexer_integer(Lexer *lexer, const char *text, size_t length, const Span *span,
                   TokenValue *value);
void lexer_float(Lexer *lexer, const char *text, const Span *span, TokenValue *value);
void lexer_bad_number(Lexer *lexer, const char *text, size_t length, const Span *span,
                      TokenValue *value);
void lexer_string(Lexer *lexer, const char *text, size_t length, const Span *span,
                  TokenValue *value);
void lexer_open_string(Lexer *lexer, const char *text, size_t length, const Span *span,
                       TokenValue *value);
void lexer_stray(Lexer *lexer, const char *text, size_t length, const Span *span);

#endif
