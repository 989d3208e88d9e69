/* parse.h - from the text of a .dl file to its tree (ast.h), and to its one canonical text.
 *
 *   AstFile *file = parse_file(arena, interner, diagnostics, number);
 *   if (diagnostics_errors(diagnostics)) ...
 *
 * Syntax errors are reported, several in one run; the tree then holds what could be read, and is
 * never NULL. Texts are hostile: nesting is bounded, bytes are checked, time is linear.
 */
#ifndef FRONTEND_PARSE_H
#define FRONTEND_PARSE_H

#include "frontend/ast.h"
#include "support/diag.h"
#include "support/intern.h"
#include "support/text.h"

/* `file` is a number in the diagnostics' Sources, whose bytes are there. */
AstFile *parse_file(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file);

/* The tree as indented text, one node a line with its line:column (`--emit ast`). Without
 * `places`: to compare two trees. */
void ast_print(const AstFile *file, const Sources *sources, bool places, Text *text);

/* The canonical text of a file that parses; NULL after a syntax error, which is reported. */
const char *ast_format(Arena *arena, Interner *interner, Diagnostics *diagnostics, int32_t file,
                       size_t *length);

#endif
