#include "frontend/format.h"

#include <string.h>

/* Lines are broken at most so often, and a page is laid out again until it stays as it is: once,
 * but for texts that align by accident. */
enum { MOST_BREAKS = 8, MOST_AGAIN = 4 };

static void write_line(Text *text, const Page *page, const Line *line) {
  if (line->blank) text_char(text, '\n');
  if (line->kind != LINE_COMMENT) {
    int at = 0;
    for (int i = line->first; i < line->first + line->count; i++) {
      const Piece *piece = &page->pieces.items[i];
      for (; at < piece->column; at++) text_char(text, ' ');
      text_bytes(text, page->bytes + piece->token.from, piece->token.to - piece->token.from);
      at += piece->width;
    }
    if (line->comment >= 0)
      for (; at < line->comment_column; at++) text_char(text, ' ');
  } else {
    for (int at = 0; at < line->comment_column; at++) text_char(text, ' ');
  }
  if (line->comment >= 0) {
    const Comment *comment = &page->comments.items[line->comment];
    text_bytes(text, comment->text, (size_t)comment->length);
  }
  text_char(text, '\n');
}

static void format_tokens(const char *bytes, const TokenList *tokens, Text *text) {
  Page page = {.arena = arena_new(), .bytes = bytes}; /* gone with this pass */
  format_read(&page, tokens);
  format_roles(&page);
  for (int round = 0; round <= MOST_BREAKS; round++) {
    format_lines(&page);
    format_columns(&page);
    if (round == MOST_BREAKS || !format_break(&page)) break;
  }
  for (size_t n = 0; n + 1 < page.lines.count; n++) write_line(text, &page, &page.lines.items[n]);
  arena_free(page.arena);
}

const char *ast_format(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file,
                       size_t *length) {
  int errors = diagnostics_errors(diagnostics);
  parse_file(arena, interner, diagnostics, file);
  if (diagnostics_errors(diagnostics) > errors) return NULL;
  Sources *sources = diagnostics_sources(diagnostics);
  const char *bytes = sources_get(sources, file)->bytes;
  for (int again = 0; again < MOST_AGAIN; again++) {
    TokenList tokens;
    if (!lexer_tokens(arena, interner, diagnostics, file, &tokens)) return NULL;
    Text text = text_new(arena);
    format_tokens(bytes, &tokens, &text);
    *length = text.length;
    if (!strcmp(bytes, text_get(&text))) break;
    bytes = text_get(&text);
    file = sources_add(sources, sources_get(sources, file)->name, NULL, bytes, *length);
  }
  return bytes;
}
