/* diag.h - what dlc tells a person about their input.
 *
 * A diagnostic has a code (diagnostics.def), a place, a message, and optionally a label under the
 * place, notes about other places, help, and fixes. Text speaks of layers, tensors and the user's
 * names; it states the fact, lower case, no full stop.
 *
 *   Diagnostic *d = diag_report(diags, E0204, span, "the inner dimensions of '@' differ");
 *   diag_label(d, "%s @ %s: %s is not %s", ...);
 *   diag_note(d, other, "'w' is declared here");
 *   diag_help(d, "declare 'w' as %s", ...);
 *
 * They are kept in order and printed by diag_flush. After 20 errors diag_report still returns a
 * diagnostic, which is counted but not shown.
 */
#ifndef SUPPORT_DIAG_H
#define SUPPORT_DIAG_H

#include "support/source.h"
#include "support/text.h"

#include <stdio.h>

typedef enum {
#define DIAGNOSTIC(code, severity, title, text) code,
#include "support/diagnostics.def"
#undef DIAGNOSTIC
  DIAGNOSTIC_CODES
} DiagnosticCode;

typedef enum { SEVERITY_error, SEVERITY_warning } Severity;

typedef struct {
  const char *code; /* "E0204" */
  Severity severity;
  const char *title, *text;
} DiagnosticInfo;

/* The table, DIAGNOSTIC_CODES rows. */
extern const DiagnosticInfo diagnostic_infos[];

typedef struct Diagnostics Diagnostics;
typedef struct Diagnostic Diagnostic;

Diagnostics *diagnostics_new(Arena *arena, Sources *sources);
Sources *diagnostics_sources(Diagnostics *diagnostics);

/* `span` may have file 0 (then it reads "dlc: error..") or be of a file known by name alone. */
Diagnostic *diag_report(Diagnostics *diagnostics, DiagnosticCode code, Span span,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Without a code: mistakes on the command line. */
Diagnostic *diag_usage(Diagnostics *diagnostics, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void diag_label(Diagnostic *diagnostic, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Lines between the message and the help, as they are: tables of names. */
void diag_table(Diagnostic *diagnostic, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void diag_note(Diagnostic *diagnostic, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A label under the last note's place. */
void diag_note_label(Diagnostic *diagnostic, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void diag_help(Diagnostic *diagnostic, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A replacement that an editor can make. */
void diag_fix(Diagnostic *diagnostic, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Brings those not printed yet into the order of their places. */
void diag_sort(Diagnostics *diagnostics);

int diagnostics_errors(const Diagnostics *diagnostics);
int diagnostics_warnings(const Diagnostics *diagnostics);

typedef enum { DIAG_TEXT, DIAG_JSON } DiagForm;
/* Prints what has not been printed yet. `colour`: ANSI escapes. Errors only if `quiet`. */
void diag_flush(Diagnostics *diagnostics, FILE *to, DiagForm form, bool colour, bool quiet);
/* The closing "dlc: 2 errors, 1 warning" line, if there was more than one in all. */
void diag_summary(const Diagnostics *diagnostics, FILE *to, DiagForm form);

/* The candidate nearest to `name` by edit distance, letter case and '_' counting less; NULL if none
 * is near enough to be meant. */
const char *nearest_name(const char *name, const char *const *candidates, size_t count);

#endif
