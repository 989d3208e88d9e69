/* Columns. A piece stands behind the one before it with its gap, unless the author aligned it:
 * where a piece had more blanks before it than its gap and stood in the column of a piece of the
 * next or the last line, both belong to one group, and a group stands in the least column that has
 * room for all its pieces. As columns only grow, the least solution is found by going over the
 * lines until nothing changes; laid out again it gives the same.
 *
 * A trailing comment keeps the column that it was written in, if the line leaves room for it, and
 * comments that stood under each other stay so.
 */
#include "frontend/format.h"

/* Enough for lines that align many times; a text that needs more is not a person's. */
enum { MOST_ROUNDS = 64 };

static bool has_extra(const Page *page, int i) {
  return page->pieces.items[i].source_gap > format_gap(page, i);
}

/* Whether pieces that stand under each other do so on purpose: alike, or behind alike ones. */
static bool belong(const Page *page, int a, int b) {
  const Piece *above = &page->pieces.items[a], *below = &page->pieces.items[b];
  if (above->loose || below->loose) return false;
  int before = above[-1].token.kind;
  if (before == '(' || before == '[' || below[-1].token.kind == '(' || below[-1].token.kind == '[')
    return false;
  if (above->token.kind == below->token.kind) return true;
  return before == below[-1].token.kind && format_gap(page, a) && format_gap(page, b);
}

/* Pieces of two lines that follow each other, by their columns as written. */
static void align_lines(Page *page, const Line *upper, const Line *lower, int *groups) {
  int a = upper->first + 1, b = lower->first + 1;
  int a_end = upper->first + upper->count, b_end = lower->first + lower->count;
  while (a < a_end && b < b_end) {
    Piece *above = &page->pieces.items[a], *below = &page->pieces.items[b];
    if (above->source < below->source) {
      a++;
      continue;
    }
    if (above->source > below->source) {
      b++;
      continue;
    }
    if (belong(page, a, b) && (has_extra(page, a) || has_extra(page, b))) {
      if (above->group < 0) above->group = below->group < 0 ? (*groups)++ : below->group;
      if (below->group < 0) below->group = above->group;
    }
    a++;
    b++;
  }
}

static bool last_of_line(const Page *page, int i) {
  const Line *line = &page->lines.items[page->pieces.items[i].line];
  return i == line->first + line->count - 1;
}

static int line_column(const Page *page, int line) {
  return page->pieces.items[page->lines.items[line].first].column;
}

static int first_column(const Page *page, const Line *line) {
  if (line->kind == LINE_STATEMENT) return 2 * line->depth;
  const Piece *piece = &page->pieces.items[line->first];
  if (line->anchor >= 0) return page->pieces.items[line->anchor].column;
  int kind = piece->token.kind;
  if (kind == ')' || kind == ']' || kind == '}') {
    const Piece *opener = &page->pieces.items[piece->opener];
    return last_of_line(page, piece->opener) ? line_column(page, opener->line) : opener->column;
  }
  if (piece->depth) {
    if (last_of_line(page, piece->opener))
      return line_column(page, page->pieces.items[piece->opener].line) + 2;
    return page->pieces.items[piece->opener + 1].column;
  }
  if (line->hang >= 0) return page->pieces.items[line->hang].column;
  return line_column(page, line->statement) + 2;
}

/* One pass over the lines; true if a group had to move. */
static bool lay_out(Page *page, int *group_columns) {
  bool moved = false;
  for (size_t n = 0; n < page->lines.count; n++) {
    const Line *line = &page->lines.items[n];
    if (line->kind == LINE_COMMENT) continue;
    int at = first_column(page, line);
    for (int i = line->first; i < line->first + line->count; i++) {
      Piece *piece = &page->pieces.items[i];
      if (i > line->first) at += format_gap(page, i);
      if (piece->group >= 0) {
        if (at > group_columns[piece->group]) {
          group_columns[piece->group] = at;
          moved = true;
        }
        at = group_columns[piece->group];
      }
      piece->column = at;
      at += piece->width;
    }
  }
  return moved;
}

static int line_end(const Page *page, const Line *line) {
  if (line->kind == LINE_COMMENT) return 0;
  const Piece *last = &page->pieces.items[line->first + line->count - 1];
  return last->column + last->width;
}

/* A comment line's column when it is not part of a column of comments; `next` is the line behind
 * the comments. */
static int comment_indent(const Page *page, const Line *line, const Line *next) {
  return next->kind == LINE_REST ? first_column(page, next) : 2 * line->depth;
}

static bool goes_on(const Page *page, const Line *above, const Line *line) {
  if (line->comment < 0 || line->blank) return false;
  return page->comments.items[above->comment].source == page->comments.items[line->comment].source;
}

/* Comments that run over the width stand further left, as far as the lines leave room. */
static void pull_back(Page *page, size_t from, size_t to) {
  int least = 0, wanted = page->lines.items[from].comment_column;
  for (size_t n = from; n < to; n++) {
    const Line *line = &page->lines.items[n];
    int fits = FORMAT_WIDTH - page->comments.items[line->comment].width;
    if (fits < wanted) wanted = fits;
    if (line->kind != LINE_COMMENT && least < line_end(page, line) + 2)
      least = line_end(page, line) + 2;
  }
  for (size_t n = from; n < to; n++)
    page->lines.items[n].comment_column = wanted < least ? least : wanted;
}

static void lay_out_comments(Page *page) {
  size_t count = page->lines.count, next = 0;
  for (size_t n = 0; n < count; n++) {
    Line *line = &page->lines.items[n];
    if (line->comment < 0) continue;
    if (line->kind == LINE_COMMENT) {
      if (next < n) next = n;
      while (page->lines.items[next].kind == LINE_COMMENT) next++;
      line->comment_column = comment_indent(page, line, &page->lines.items[next]);
      continue;
    }
    size_t end = n + 1;
    int column = page->comments.items[line->comment].source;
    if (column < line_end(page, line) + 2) column = line_end(page, line) + 2;
    for (; end < count && goes_on(page, line, &page->lines.items[end]); end++) {
      int room = line_end(page, &page->lines.items[end]) + 2;
      if (page->lines.items[end].kind != LINE_COMMENT && column < room) column = room;
    }
    for (size_t k = n; k < end; k++) page->lines.items[k].comment_column = column;
    pull_back(page, n, end);
    n = end - 1;
  }
}

void format_columns(Page *page) {
  int groups = 0;
  for (size_t i = 0; i < page->pieces.count; i++) page->pieces.items[i].group = -1;
  for (size_t n = 1; n < page->lines.count; n++) {
    const Line *upper = &page->lines.items[n - 1], *lower = &page->lines.items[n];
    if (upper->kind != LINE_COMMENT && lower->kind != LINE_COMMENT && !lower->blank)
      align_lines(page, upper, lower, &groups);
    /* Statements stand under each other even if the upper one has further lines. */
    if (upper->kind == LINE_REST && lower->kind == LINE_STATEMENT && !lower->blank)
      align_lines(page, &page->lines.items[upper->statement], lower, &groups);
  }
  int *columns = ARENA_ARRAY(page->arena, (size_t)groups + 1, int);
  for (int round = 0; round < MOST_ROUNDS && lay_out(page, columns); round++) continue;
  lay_out_comments(page);
}
