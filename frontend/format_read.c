#include "frontend/format.h"

#include <string.h>

typedef struct {
  Page *page;
  int own;    /* comments on lines of their own since the last piece: the first */
  int count;  /* and how many */
  bool blank; /* an empty line since the last piece or comment */
} Gap;

static int characters(const char *bytes, uint32_t from, uint32_t to) {
  int count = 0;
  for (uint32_t i = from; i < to; i++) count += ((unsigned char)bytes[i] & 0xC0) != 0x80;
  return count;
}

static Comment read_comment(Page *page, uint32_t from, uint32_t to, int column) {
  const char *text = page->bytes + from;
  uint32_t length = to - from;
  while (length &&
         (text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\r'))
    length--;
  if (length > 1 && !strchr(" #!", text[1])) {
    text = arena_format(page->arena, "# %.*s", (int)length - 1, text + 1);
    length++;
  }
  return (Comment){
      .text = text, .length = (int)length, .width = characters(text, 0, length), .source = column};
}

/* What stands between two tokens: blanks, newlines and comments. The first comment trails the last
 * piece if no newline is before it. */
static void read_gap(Gap *gap, uint32_t from, uint32_t to, int column, bool behind_piece) {
  Page *page = gap->page;
  const char *bytes = page->bytes;
  *gap = (Gap){.page = page, .own = (int)page->comments.count};
  int newlines = behind_piece ? 0 : 1;
  for (uint32_t i = from; i < to; i++) {
    if (bytes[i] == '\n') {
      newlines++;
      column = 0;
      if (newlines > 1) gap->blank = true;
    } else if (bytes[i] == '#') {
      uint32_t end = i;
      while (end < to && bytes[end] != '\n') end++;
      Comment comment = read_comment(page, i, end, column);
      if (newlines || !behind_piece) {
        comment.blank = gap->blank;
        gap->count++;
      } else {
        vec_last(&page->pieces).trailing = (int)page->comments.count;
        gap->own++;
      }
      vec_push(page->arena, &page->comments, comment);
      gap->blank = false;
      behind_piece = false;
      i = end - 1;
      newlines = 0;
    } else {
      column++;
    }
  }
}

/* For each token that opens a block: whether the block gets lines of its own, which all blocks of
 * an `if` with its `else`s do as soon as one of them has a newline in it. */
static const bool *find_open_blocks(const Page *page, const TokenList *tokens) {
  bool *open = ARENA_ARRAY(page->arena, tokens->count, bool);
  size_t *head = ARENA_ARRAY(page->arena, tokens->count, size_t);
  for (size_t t = 0; t < tokens->count; t++) {
    const Token *token = &tokens->items[t];
    if (token->kind != '{' || !token->block) continue;
    if (!head[t]) head[t] = t;
    const Token *close = &tokens->items[token->match];
    if (memchr(page->bytes + token->from, '\n', close->from - token->from)) open[head[t]] = true;
    size_t next = token->match + 1;
    if (tokens->items[next].kind != ELSE) continue;
    while (tokens->items[next].kind != '{' || !tokens->items[next].block) next++;
    head[next] = head[t];
  }
  for (size_t t = 0; t < tokens->count; t++) open[t] = open[head[t]];
  return open;
}

void format_read(Page *page, const TokenList *tokens) {
  Gap gap = {.page = page};
  const bool *open = find_open_blocks(page, tokens);
  uint32_t end = 0;
  int column = 0;
  bool newline = true, force = false;
  for (size_t t = 0; t < tokens->count; t++) {
    const Token *token = &tokens->items[t];
    if (token->kind == NEWLINE) {
      newline = true;
      continue;
    }
    uint32_t from = token->kind == END ? (uint32_t)strlen(page->bytes) : token->from;
    read_gap(&gap, end, from, column, page->pieces.count > 0);
    const char *line = memrchr(page->bytes + end, '\n', from - end);
    uint32_t line_start = line ? (uint32_t)(line + 1 - page->bytes) : end;
    Piece piece = {.token = *token, .trailing = -1, .group = -1, .opener = -1};
    piece.above = gap.own;
    piece.comments = gap.count;
    piece.blank = gap.blank;
    piece.source_gap = characters(page->bytes, line_start, from);
    piece.source = (line ? 0 : column) + piece.source_gap;
    piece.width = characters(page->bytes, token->from, token->to);
    bool closes = token->kind == '}' && token->block && open[token->match];
    piece.starts = newline || force || closes;
    piece.breaks = token->first || force || closes || token->kind == END;
    const Piece *before = page->pieces.count ? &vec_last(&page->pieces) : NULL;
    if (token->kind == ELSE && before && before->token.kind == '}' && before->trailing < 0 &&
        !gap.count) {
      piece.breaks = false;
      piece.loose = true;
      piece.source_gap = 1;
    }
    force = token->kind == '{' && token->block && open[t];
    if (!before || (before->token.kind == '{' && before->token.block)) {
      if (piece.comments)
        page->comments.items[piece.above].blank = false;
      else
        piece.blank = false;
    }
    if (token->kind == '}' && token->block) piece.blank = false;
    vec_push(page->arena, &page->pieces, piece);
    newline = token->kind == '{' && token->block ? true : false;
    end = token->to;
    column = piece.source + piece.width;
  }
}
