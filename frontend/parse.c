#include "frontend/parse.h"

#include "frontend/lexer.h"

AstFile *parse_file(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file) {
  Parser parser = {.arena = arena,
                   .interner = interner,
                   .diagnostics = diagnostics,
                   .file = file,
                   .result = ARENA_NEW(arena, AstFile)};
  parser.result->file = file;
  TokenList tokens;
  if (!lexer_tokens(arena, interner, diagnostics, file, &tokens)) {
    diag_sort(diagnostics);
    return parser.result;
  }
  parser.bytes = sources_get(diagnostics_sources(diagnostics), file)->bytes;
  parser.tokens = tokens.items;
  parser.count = tokens.count;
  parser.bad = tokens.bad;
  parser.bad_count = tokens.bad_count;
  dlparse_parse(&parser);
  diag_sort(diagnostics);
  return parser.result;
}

int dlparse_lex(DLPARSE_STYPE *value, Span *span, Parser *parser) {
  if (parser->resume) {
    parser->next = parser->resume;
    parser->resume = 0;
  }
  const Token *token = &parser->tokens[parser->next];
  if (parser->end_first) {
    parser->end_first = false;
    *span = (Span){parser->file, token->from, token->from};
    return NEWLINE;
  }
  if (token->kind != END) parser->next++;
  *span = (Span){parser->file, token->from, token->to};
  switch (token->kind) {
  case INTEGER:
    value->integer = token->value.integer;
    break;
  case FLOAT:
    value->number = token->value.number;
    break;
  default:
    value->name = token->value.name;
  }
  return token->kind;
}

/* Bison's own message: its stack has no more room. */
void dlparse_error(const Span *span, Parser *parser, const char *message) {
  (void)message;
  if (parser->too_deep) return;
  parser->too_deep = true;
  diag_report(parser->diagnostics, E0006, *span, "the text is nested too deeply here");
}
