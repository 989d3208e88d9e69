/* Values and mistakes of single tokens, and the first pass over a text; brackets.c is the second.
 */
#include "frontend/lexer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/brackets.h"

struct Lexer {
  Arena *arena;
  Interner *interner;
  Diagnostics *diagnostics;
  int32_t file;
  size_t offset; /* behind the token at hand */
  bool newline;  /* since the last token */
  int last;      /* the last token's kind */
  RawTokens raw;
};

/* Of the scanner made from lexer.l. */
typedef void *Scanner;
struct yy_buffer_state;
int dlscan_lex(TokenValue *value, Span *span, Scanner scanner);
int dlscan_lex_init_extra(Lexer *lexer, Scanner *scanner);
int dlscan_lex_destroy(Scanner scanner);
struct yy_buffer_state *dlscan__scan_bytes(const char *bytes, int length, Scanner scanner);

void lexer_place(Lexer *lexer, size_t length, Span *span) {
  span->file = lexer->file;
  span->from = (uint32_t)lexer->offset;
  lexer->offset += length;
  span->to = (uint32_t)lexer->offset;
}

/* The parser is not to speak of what follows from a bad token. */
static void note_bad(Lexer *lexer, const Span *span) {
  vec_push(lexer->arena, &lexer->raw.bad, span->from);
}

void lexer_newline(Lexer *lexer) {
  lexer->newline = true;
}

void lexer_word(Lexer *lexer, const char *text, size_t length, TokenValue *value) {
  value->name = intern_bytes(lexer->interner, text, length);
}

void lexer_integer(Lexer *lexer, const char *text, size_t length, const Span *span,
                   TokenValue *value) {
  int64_t number = 0;
  for (size_t i = 0; i < length; i++) {
    if (__builtin_mul_overflow(number, 10, &number) ||
        __builtin_add_overflow(number, text[i] - '0', &number)) {
      Diagnostic *d = diag_report(lexer->diagnostics, E0004, *span, "the number is too large");
      diag_help(d, "the largest integer is 9223372036854775807; a float is written with a point");
      number = 0;
      break;
    }
  }
  value->integer = number;
}

void lexer_float(Lexer *lexer, const char *text, const Span *span, TokenValue *value) {
  value->number = strtod(text, NULL);
  if (!isfinite(value->number)) {
    Diagnostic *d = diag_report(lexer->diagnostics, E0004, *span, "the number is too large");
    diag_help(d, "infinity is written 'inf'");
    value->number = 0;
  }
}

void lexer_bad_number(Lexer *lexer, const char *text, size_t length, const Span *span,
                      TokenValue *value) {
  note_bad(lexer, span);
  int digits = (int)strspn(text, "0123456789");
  int shown = length > 40 ? 40 : (int)length;
  Diagnostic *d =
      diag_report(lexer->diagnostics, E0004, *span, "'%.*s' is not a number", shown, text);
  bool after_value = lexer->last == NAME || lexer->last == ')' || lexer->last == ']';
  if (text[0] == '.' && after_value)
    diag_help(d, "an element of a list is written [%.*s]", shown - 1, text + 1);
  else if (text[0] == '.')
    diag_help(d, "write 0%.*s", shown, text);
  else if (digits == (int)length - 1 && text[digits] == '.')
    diag_help(d, "write %.*s.0", digits, text);
  else
    diag_help(d, "a name begins with a letter; numbers are 12, 1.5, 1e-3");
  value->number = 0;
}

static void escape(Lexer *lexer, Text *out, const char *text, Span at) {
  switch (text[1]) {
  case 'n':
    text_char(out, '\n');
    return;
  case 't':
    text_char(out, '\t');
    return;
  case '"':
  case '\\':
    text_char(out, text[1]);
    return;
  }
  Diagnostic *d = diag_report(lexer->diagnostics, E0005, at, "an unknown escape in a text");
  diag_help(d, "known: \\n \\t \\\" \\\\");
}

void lexer_string(Lexer *lexer, const char *text, size_t length, const Span *span,
                  TokenValue *value) {
  if (!memchr(text, '\\', length)) {
    value->name = intern_bytes(lexer->interner, text + 1, length - 2);
    return;
  }
  Text out = text_new(lexer->arena);
  for (size_t i = 1; i + 1 < length; i++) {
    if (text[i] != '\\') {
      text_char(&out, text[i]);
      continue;
    }
    uint32_t from = span->from + (uint32_t)i;
    escape(lexer, &out, text + i, (Span){span->file, from, from + 2});
    i++;
  }
  value->name = intern_bytes(lexer->interner, text_get(&out), out.length);
}

void lexer_open_string(Lexer *lexer, const char *text, size_t length, const Span *span,
                       TokenValue *value) {
  note_bad(lexer, span);
  while (length > 1 && (text[length - 1] == '\r' || text[length - 1] == ' ')) length--;
  Span at = {span->file, span->from, span->from + (uint32_t)length};
  Diagnostic *d = diag_report(lexer->diagnostics, E0003, at, "a text without its closing '\"'");
  diag_help(d, "a text ends on the line that it begins on; a '\"' within it is written \\\"");
  lexer->raw.broken = at.from;
  lexer->raw.has_broken = true;
  value->name = intern_bytes(lexer->interner, text + 1, length - 1);
}

void lexer_stray(Lexer *lexer, const char *text, size_t length, const Span *span) {
  static const struct {
    char sign;
    const char *help;
  } meant[] = {
      {'&', "a condition of two is written 'and'"},
      {'|', "a condition of two is written 'or'; a pipe is '|>'"},
      {'!', "the opposite is written 'not'"},
      {'?', "a choice of numbers is written 'a if c else b', of tensors where(c, a, b)"},
      {'\'', "a text stands in \"double quotes\""},
      {'`', "a text stands in \"double quotes\""},
      {'$', NULL},
      {'~', "the opposite is written 'not'"},
      {'\\', "a line goes on after an operator or a comma, and within ( ) and [ ]"},
  };
  note_bad(lexer, span);
  unsigned char first = (unsigned char)text[0];
  if (first < 32 || first == 127) {
    diag_report(lexer->diagnostics, E0002, *span, "a stray control character (%d)", first);
    return;
  }
  Diagnostic *d =
      diag_report(lexer->diagnostics, E0002, *span, "a stray character '%.*s'", (int)length, text);
  for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
    if (meant[i].sign == text[0] && meant[i].help) diag_help(d, "%s", meant[i].help);
  if (first >= 0x80)
    diag_help(d, "a name is of letters from a to z and A to Z, digits and '_'; all others stand in "
                 "comments and texts");
}

/* The bytes of one UTF-8 character, or 0: overlong forms, surrogates and what is above U+10FFFF are
 * none. */
static size_t character(const unsigned char *s, size_t left) {
  if (s[0] < 0x80) return 1;
  size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  if (s[0] < 0xC2 || s[0] > 0xF4 || length > left) return 0;
  for (size_t i = 1; i < length; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  if (s[0] == 0xE0 && s[1] < 0xA0) return 0;
  if (s[0] == 0xED && s[1] > 0x9F) return 0;
  if (s[0] == 0xF0 && s[1] < 0x90) return 0;
  if (s[0] == 0xF4 && s[1] > 0x8F) return 0;
  return length;
}

static bool is_text(Diagnostics *diagnostics, int32_t file, const Source *source) {
  const unsigned char *bytes = (const unsigned char *)source->bytes;
  size_t i = 0;
  while (i < source->length && bytes[i]) {
    size_t length = character(bytes + i, source->length - i);
    if (!length) break;
    i += length;
  }
  if (i == source->length) return true;
  Span at = {file, (uint32_t)i, (uint32_t)i + 1};
  Diagnostic *d =
      bytes[i] ? diag_report(diagnostics, E0002, at, "a byte that is not UTF-8 (0x%02X)", bytes[i])
               : diag_report(diagnostics, E0002, at, "a NUL byte");
  diag_help(d, "a .dl file is text in UTF-8");
  return false;
}

static bool is_keyword(int kind) {
  return (kind >= IMPORT && kind <= NOT) || (kind >= IN && kind <= FROM);
}

static void scan(Lexer *lexer, const Source *source) {
  Scanner scanner;
  if (dlscan_lex_init_extra(lexer, &scanner)) return;
  dlscan__scan_bytes(source->bytes, (int)source->length, scanner);
  TokenValue value = {0};
  Span span = SPAN_NONE;
  int kind;
  while ((kind = dlscan_lex(&value, &span, scanner)) != END) {
    Token token = {.kind = kind, .from = span.from, .to = span.to};
    token.first = lexer->newline || !lexer->raw.count;
    if (lexer->last == '.' && is_keyword(kind)) { /* after a dot every word is a name */
      token.kind = NAME;
      value.name = intern_bytes(lexer->interner, source->bytes + span.from, span.to - span.from);
    }
    if (token.kind == INTEGER)
      token.value.integer = value.integer;
    else if (token.kind == FLOAT)
      token.value.number = value.number;
    else
      token.value.name = value.name;
    vec_push(lexer->arena, &lexer->raw, token);
    lexer->newline = false;
    lexer->last = token.kind;
    value.name = NULL;
  }
  dlscan_lex_destroy(scanner);
}

bool lexer_tokens(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file,
                  TokenList *tokens) {
  const Source *source = sources_get(diagnostics_sources(diagnostics), file);
  *tokens = (TokenList){0};
  if (source->length > LEXER_LONGEST) {
    diag_report(diagnostics, E0501, (Span){file, 0, 0}, "the file is larger than 256 MiB");
    return false;
  }
  if (!is_text(diagnostics, file, source)) return false;
  Lexer lexer = {.arena = arena, .interner = interner, .diagnostics = diagnostics, .file = file};
  bool mark = source->length >= 3 && !memcmp(source->bytes, "\xEF\xBB\xBF", 3);
  if (mark) {
    Diagnostic *d = diag_report(diagnostics, E0002, (Span){file, 0, 3}, "a byte order mark");
    diag_help(d, "save the file as UTF-8 without one");
    return false;
  }
  scan(&lexer, source);
  return brackets_match(arena, diagnostics, file, &lexer.raw, tokens);
}
