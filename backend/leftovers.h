/* leftovers.h - what a signal that ends dlc (Ctrl-C, TERM, HUP) would leave behind: a folder of
 * temporary files, a file that is not whole, a program at work on them. It is ended and removed
 * before dlc dies of the signal.
 *
 *   leftovers_folder(folder);  ..  leftovers_folder(NULL);
 */
#ifndef BACKEND_LEFTOVERS_H
#define BACKEND_LEFTOVERS_H

#include <signal.h>
#include <sys/types.h>

/* Each holds one; NULL or 0: none any more. The texts must stay as they are until then. */
void leftovers_folder(const char *path);
void leftovers_file(const char *path);
void leftovers_child(pid_t child);

/* Signals wait while something is made that is told afterwards. Between, no return. Gives the mask
 * that was before, which a child must get, too. */
sigset_t leftovers_hold(void);
void leftovers_release(const sigset_t *before);

#endif
