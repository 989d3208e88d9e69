/* dlc help std: what the standard library declares, in the words of its own comments. */
#include "driver/help_std.h"

#include "frontend/standard.h"
#include "support/diag.h"
#include "support/text.h"
#include "support/vec.h"

#include <ctype.h>
#include <string.h>

typedef struct {
  const char *text;
  size_t length;
} Line;

typedef struct {
  Arena *arena;
  const char *only; /* a name; NULL: all */
  bool page;        /* markdown */
  bool parted;      /* a blank line is behind what was printed */
  FILE *to;
  Text comment; /* of the lines before the declaration */
  VEC(const char *) names;
  bool found;
} Library;

static bool begins(Line line, const char *with) {
  size_t length = strlen(with);
  return line.length >= length && memcmp(line.text, with, length) == 0;
}

static bool is_declaration(Line line) {
  return begins(line, "fn ") || begins(line, "layer ") || begins(line, "optimizer ");
}

/* Where the head of a declaration ends: at the '=' or '{' of its body. */
static size_t head_length(const char *text, size_t length) {
  int depth = 0;
  for (size_t i = 0; i < length; i++) {
    char c = text[i];
    depth += c == '(' || c == '[';
    depth -= c == ')' || c == ']';
    if (depth == 0 && (c == '{' || c == '=')) return i;
  }
  return length;
}

/* One blank for any number of blanks and line ends. */
static const char *squeezed(Arena *arena, const char *text, size_t length) {
  Text out = text_new(arena);
  bool blank = false;
  for (size_t i = 0; i < length; i++) {
    if (isspace((unsigned char)text[i])) {
      blank = out.length > 0;
      continue;
    }
    if (blank) text_char(&out, ' ');
    blank = false;
    text_char(&out, text[i]);
  }
  return text_get(&out);
}

/* Words in lines of at most 98 columns. */
static void print_words(FILE *to, const char *text, int indent) {
  enum { WIDTH = 98 };
  int column = 0;
  while (*text) {
    int length = (int)strcspn(text, " ");
    if (column && column + 1 + length > WIDTH) {
      fputc('\n', to);
      column = 0;
    }
    int blanks = column ? 1 : indent;
    fprintf(to, "%*s%.*s", blanks, "", length, text);
    column += blanks + length;
    text += length + (text[length] == ' ');
    if (column == blanks + length) indent = indent < 6 ? 6 : indent;
  }
  fputc('\n', to);
}

/* The comment behind the first line, if it has one: after two blanks, outside of any text. */
static const char *trailing_comment(Arena *arena, Line line) {
  bool in_text = false;
  for (size_t i = 0; i < line.length; i++) {
    if (line.text[i] == '"') in_text = !in_text;
    if (line.text[i] == '#' && !in_text)
      return squeezed(arena, line.text + i + 1, line.length - i - 1);
  }
  return "";
}

/* A comment below its declaration; what markdown would take for a sign of its own is text. */
static void print_cell(FILE *to, const char *text) {
  for (; *text; text++) {
    if (strchr("*_<[", *text)) fputc('\\', to);
    fputc(*text, to);
  }
}

static void declare(Library *l, Line line, const char *end) {
  size_t word = strcspn(line.text, " ") + 1, name = strcspn(line.text + word, "( \n");
  const char *called = arena_string(l->arena, line.text + word, name);
  vec_push(l->arena, &l->names, called);
  if (l->only && strcmp(l->only, called) != 0) return;
  l->found = true;
  size_t rest = (size_t)(end - line.text);
  const char *head = squeezed(l->arena, line.text, head_length(line.text, rest));
  const char *behind = trailing_comment(l->arena, line);
  if (l->page) {
    fprintf(l->to, "\n- `%s`", head);
    l->parted = false;
    if (l->comment.length || *behind) fputs("  \n  ", l->to);
    print_cell(l->to, text_get(&l->comment));
    if (l->comment.length && *behind) fputs("; ", l->to);
    print_cell(l->to, behind);
    return;
  }
  print_words(l->to, head, 2);
  if (l->comment.length) print_words(l->to, text_get(&l->comment), 6);
  if (*behind) print_words(l->to, behind, 6);
}

static void read_file(Library *l, const StandardFile *file) {
  const char *at = file->bytes, *end = at + file->length;
  bool begun = false; /* the comment at its beginning is about the file */
  l->comment = text_new(l->arena);
  while (at < end) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    Line line = {at, (size_t)((stop ? stop : end) - at)};
    if (begins(line, "# ----")) {
      size_t length = line.length;
      while (length && strchr("- ", line.text[length - 1])) length--;
      if (l->page) fputs(l->parted ? "\n### " : "\n\n### ", l->to);
      if (!l->only) fprintf(l->to, "%.*s\n", (int)(length - 7), line.text + 7);
      l->parted = false;
      l->comment = text_new(l->arena);
    } else if (begins(line, "#")) {
      text_format(&l->comment, "%s%s", l->comment.length ? " " : "",
                  squeezed(l->arena, line.text + 1, line.length - 1));
    } else {
      if (is_declaration(line)) declare(l, line, end);
      if (l->page && !begun) {
        fprintf(l->to, "\n\n## %s\n\n", file->name);
        print_cell(l->to, text_get(&l->comment));
        fputc('\n', l->to);
        l->parted = true;
      }
      begun = true;
      l->comment = text_new(l->arena);
    }
    at = stop ? stop + 1 : end;
  }
}

void help_std_page(FILE *to, Arena *arena) {
  fputs(
      "# The standard library\n\n"
      "What `frontend/std` declares, in the words of its comments: this page is made from it\n"
      "(`dlc help std --markdown`). [language.md](language.md) says how layers and functions are\n"
      "used; numbers and names are PyTorch's.",
      to);
  Library library = {.arena = arena, .to = to, .page = true};
  for (size_t i = 0; i < standard_file_count; i++) read_file(&library, &standard_files[i]);
  fputc('\n', to);
}

bool help_std(FILE *to, Arena *arena, const char *only, const char **nearest) {
  Library library = {.arena = arena, .only = only, .to = to};
  for (size_t i = 0; i < standard_file_count; i++) read_file(&library, &standard_files[i]);
  *nearest = only ? nearest_name(only, library.names.items, library.names.count) : NULL;
  return !only || library.found;
}
