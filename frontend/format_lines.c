#include "frontend/format.h"

int format_hang(const Page *page, int i) {
  const Piece *piece = &page->pieces.items[i];
  if (piece->token.kind != ARROW &&
      !(piece->token.kind == '(' && piece->context == CONTEXT_PARAMETERS))
    return -1;
  int hang = -1;
  for (int k = i - 1; k >= 0 && page->pieces.items[k].token.kind == ')';) {
    int opener = page->pieces.items[k].opener;
    if (hang < 0 || opener + 1 < k) hang = opener; /* an empty list only if there is no other */
    k = opener - 1;
  }
  return hang;
}

/* The piece of the line above that the first one stood under, as written. Not the statement's own
 * beginning: then it was not indented at all. */
static int anchor_of(const Page *page, const Line *above, int i) {
  const Piece *piece = &page->pieces.items[i];
  int kind = piece->token.kind;
  if (piece->loose || above->kind == LINE_COMMENT || kind == ')' || kind == ']' || kind == '}')
    return -1;
  for (int k = above->first; k < above->first + above->count; k++) {
    if (page->pieces.items[k].source != piece->source) continue;
    return k == above->first && above->kind == LINE_STATEMENT ? -1 : k;
  }
  return -1;
}

static void add_comments(Page *page, const Piece *piece, int depth) {
  for (int k = 0; k < piece->comments; k++) {
    Line line = {.kind = LINE_COMMENT, .depth = depth, .comment = piece->above + k};
    line.first = (int)(piece - page->pieces.items);
    line.blank = page->comments.items[line.comment].blank;
    vec_push(page->arena, &page->lines, line);
  }
}

void format_lines(Page *page) {
  page->lines.count = 0;
  int depth = 0, statement = 0;
  for (int i = 0; i < (int)page->pieces.count; i++) {
    Piece *piece = &page->pieces.items[i];
    bool block = (piece->token.kind == '{' || piece->token.kind == '}') && piece->token.block;
    if (piece->breaks) {
      add_comments(page, piece, depth);
      Line line = {.first = i, .depth = depth, .blank = piece->blank, .comment = -1};
      line.hang = format_hang(page, i);
      line.kind = piece->starts && line.hang < 0 ? LINE_STATEMENT : LINE_REST;
      if (block && piece->token.kind == '}') line.depth--;
      line.anchor = -1;
      if (line.kind == LINE_REST) line.anchor = anchor_of(page, &vec_last(&page->lines), i);
      if (line.kind == LINE_STATEMENT) statement = (int)page->lines.count;
      line.statement = statement;
      vec_push(page->arena, &page->lines, line);
    }
    piece->line = (int)page->lines.count - 1;
    Line *line = &vec_last(&page->lines);
    line->count++;
    if (piece->trailing >= 0) line->comment = piece->trailing;
    if (block) depth += piece->token.kind == '{' ? 1 : -1;
  }
}

/* ---- lines that are too long ---- */

static int end_of(const Piece *piece) {
  return piece->column + piece->width;
}

/* How unwelcome a line that begins with piece `i` is; -1: it cannot. The outermost place is the
 * best: before a header's second list or its result, a pipe, behind a comma; then behind an
 * operator. */
static int cost(const Page *page, const Line *line, int i) {
  enum { LAST_RESORT = 10000 };
  const Piece *piece = &page->pieces.items[i], *before = piece - 1;
  const Piece *first = &page->pieces.items[page->lines.items[line->statement].first];
  bool index = piece->context == CONTEXT_INDEX;
  int level = 4 * piece->depth;
  switch (piece->token.kind) {
  case PIPE:
    return piece->depth ? -1 : level;
  case ARROW:
    return level;
  case FOR:
    return piece->depth ? level : -1;
  case '(':
    if (piece->context != CONTEXT_PARAMETERS || before->token.kind != ')') break;
    return before->opener + 2 == i ? -1 : level;
  case ')':
  case ']':
  case '}':
    return -1;
  }
  switch (before->token.kind) {
  case ',':
    return index ? level + 9 : level + 1;
  case '=':
    if (before->role != ROLE_PLAIN || piece->depth || piece->token.kind == SCAN) return -1;
    return first->token.kind == FN ? level : LAST_RESORT + level;
  case AND:
  case OR:
    return level + 2;
  case '+':
  case '-':
    if (before->role != ROLE_BINARY || !before->spaced || piece->in_index) return -1;
    return piece->depth ? level + 6 : level + 3;
  }
  return -1;
}

/* Whether commas outside of brackets are behind the targets of a binding. */
static bool is_value_side(const Line *line, const Piece *piece, const Piece *first) {
  int kind = piece->token.kind;
  return line->kind == LINE_REST || first->token.kind == RETURN || first->token.kind == EMIT ||
         (!piece->depth && (kind == '=' || kind == WRITE));
}

/* Where piece `i` stands when it begins a line. */
static int column_after_break(const Page *page, const Line *line, int i) {
  const Piece *piece = &page->pieces.items[i];
  if (piece->depth) return page->pieces.items[piece->opener + 1].column;
  int hang = format_hang(page, i);
  if (hang >= 0) return page->pieces.items[hang].column;
  return 2 * page->lines.items[line->statement].depth + 2;
}

/* A block on one line gets lines of its own. */
static bool open_block(Page *page, const Line *line) {
  int end = line->first + line->count;
  for (int i = line->first; i < end; i++) {
    const Piece *open = &page->pieces.items[i];
    if (open->token.kind != '{' || !open->token.block) continue;
    for (int k = i + 1; k < end; k++) {
      Piece *close = &page->pieces.items[k];
      if (close->token.kind != '}' || close->opener != i || k == i + 1) continue;
      Piece *first = &page->pieces.items[i + 1];
      first->breaks = first->starts = close->breaks = close->starts = true;
      return true;
    }
  }
  return false;
}

static bool break_line(Page *page, const Line *line) {
  int end = line->first + line->count, best = -1, best_price = 0, shift = 0;
  int placed = line->first; /* up to which pieces the columns are those after the breaks */
  bool values = false, broken = false;
  for (int i = line->first + 1; i < end; i++) {
    Piece *piece = &page->pieces.items[i];
    if (i > placed) {
      piece->column -= shift;
      piece->loose |= broken;
      placed = i;
    }
    values |= is_value_side(line, piece - 1, &page->pieces.items[line->first]);
    int price = cost(page, line, i);
    if (!piece->depth && piece[-1].token.kind == ',' && !values) price = -1;
    if (price >= 0 && (best < 0 || price <= best_price) &&
        column_after_break(page, line, i) < piece->column) {
      best = i;
      best_price = price;
    }
    if (end_of(piece) <= FORMAT_WIDTH || best < 0) continue;
    int move = page->pieces.items[best].column - column_after_break(page, line, best);
    for (int k = best; k <= placed; k++) {
      page->pieces.items[k].column -= move;
      page->pieces.items[k].loose = true;
    }
    shift += move;
    page->pieces.items[best].breaks = true;
    page->pieces.items[best].starts = false;
    broken = true;
    i = best;
    best = -1;
  }
  return broken;
}

bool format_break(Page *page) {
  bool broken = false;
  for (size_t n = 0; n < page->lines.count; n++) {
    const Line *line = &page->lines.items[n];
    if (line->kind == LINE_COMMENT || !line->count) continue;
    int last = line->first + line->count - 1;
    if (end_of(&page->pieces.items[last]) <= FORMAT_WIDTH) continue;
    if (!open_block(page, line) && !break_line(page, line)) continue;
    broken = true;
    if (line->comment >= 0) page->comments.items[line->comment].source = 0;
  }
  return broken;
}
