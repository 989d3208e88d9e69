/* format.h - the parts of ast_format. Private to the formatter.
 *
 * The formatter works on tokens, so it cannot change the tree: it keeps their order, the author's
 * line breaks and the comments, and chooses blanks and indentation. Steps:
 *   format_read.c    pieces: a token each, with the comments and line breaks around it
 *   format_gap.c     how many blanks stand between two pieces
 *   format_lines.c   lines of pieces; where lines that are too long are broken
 *   format_layout.c  the column of every piece: indentation, and what the author aligned
 *   format.c         these in order, and the text
 */
#ifndef FRONTEND_FORMAT_H
#define FRONTEND_FORMAT_H

#include "frontend/lexer.h"

enum { FORMAT_WIDTH = 100 };

typedef enum {
  CONTEXT_NONE, /* statements */
  CONTEXT_PAREN,
  CONTEXT_CALL,
  CONTEXT_PARAMETERS,
  CONTEXT_LIST,
  CONTEXT_INDEX,
  CONTEXT_MAP,
} Context;

typedef enum {
  ROLE_PLAIN,
  ROLE_UNARY,  /* a minus before its operand */
  ROLE_BINARY, /* + - * / % @ ^ between two */
  ROLE_NAMED,  /* the '=' of an argument */
  ROLE_SLICE,  /* a ':' in an index */
  ROLE_CALL,   /* a ( or [ that belongs to what stands before it */
} Role;

typedef struct {
  const char *text;
  int length, width; /* bytes, characters */
  int source;        /* its column as written */
  bool blank;        /* an empty line before it */
} Comment;

typedef struct {
  Token token;
  Role role;
  Context context;     /* where it stands; of a bracket: around it */
  bool spaced;         /* BINARY, SLICE: with blanks on both sides */
  bool breaks;         /* begins a line */
  bool starts;         /* begins a statement, as the lexer sees it */
  bool blank;          /* an empty line before it */
  int above, comments; /* comments on lines of their own before it: of Page.comments */
  int trailing;        /* the comment behind it, or -1 */
  int source_gap;      /* blanks before it as written */
  int source;          /* its column as written */
  bool loose;          /* not aligned any more: a line was broken before it */
  int width;           /* characters */
  int opener;    /* the piece of the innermost bracket around it, or -1; of a closer: its own */
  bool in_index; /* within the brackets of an index or a type */
  int depth;     /* brackets around it up to the next block */
  int line;
  int group; /* pieces of one column, or -1 */
  int column;
} Piece;

typedef enum {
  LINE_COMMENT,   /* nothing but one */
  LINE_STATEMENT, /* begins one, or closes a block */
  LINE_REST,      /* goes on with one */
} LineKind;

typedef struct {
  LineKind kind;
  int first, count; /* pieces */
  int depth;        /* blocks around it */
  int statement;    /* REST: the line of the statement's beginning */
  int hang;         /* REST: the first '(' of the header that it belongs to, or -1 */
  int anchor;       /* REST: the piece that its first one stood under, or -1 */
  bool blank;
  int comment; /* of Page.comments, or -1 */
  int comment_column;
} Line;

typedef struct {
  Arena *arena;
  const char *bytes;
  VEC(Piece) pieces; /* the last one is END, which stands for the end of the file */
  VEC(Comment) comments;
  VEC(Line) lines;
} Page;

/* The pieces of a file's tokens, with their comments. */
void format_read(Page *page, const TokenList *tokens);
/* Fills the pieces' role, context, spaced, opener and depth. */
void format_roles(Page *page);
/* Blanks between piece `i` and the one before it, were they on one line. */
int format_gap(const Page *page, int i);
/* The first '(' of the header whose second list or results begin with piece `i`, or -1. */
int format_hang(const Page *page, int i);
/* Makes the lines of the pieces that break. */
void format_lines(Page *page);
/* Fills the columns of pieces and comments. */
void format_columns(Page *page);
/* Breaks lines that are too long where they may be; false if there was nothing to break. The lines
 * and columns are then to be made again. */
bool format_break(Page *page);

#endif
