/* verify.h - the graph is checked after each pass: --verify, and always in debug builds. */
#ifndef DRIVER_VERIFY_H
#define DRIVER_VERIFY_H

#include "driver/session.h"
#include "passes/pass.h"

/* A PassCallback whose user is the Session. What does not hold is a bug of dlc. */
bool verify_after(void *session, const Pass *pass, const PassEffect *effect, Module *module);

/* For the test of bisect: after the pass DLC_BUG an addition subtracts. */
void verify_spoil_number(const Pass *pass, Module *module);

#endif
