/* bug.h - the ends that are nobody's input's fault.
 *
 * `bug` is for what cannot happen: it says so, names the place and ends with exit code 70. A
 * user's mistake never comes here; it is a diagnostic (diag.h).
 */
#ifndef SUPPORT_BUG_H
#define SUPPORT_BUG_H

#include <stdbool.h>
#include <stddef.h>

#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)

/* Called by bug_at before it ends: the driver writes out the graph here. True if it did. */
extern bool (*bug_hook)(void);

_Noreturn void bug_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void out_of_memory(size_t wanted);

#endif
