/* emulator.h - an x86-64 CPU with AVX-512 and AVX512-BF16 in this process: Bochs's, as the Python
 * package bochscpu-python holds it, called by its C interface. Code runs on the process's own
 * memory: each address means the same to both. So a function compiled here can be called as it is
 * (emulator_call), and a program mapped by emulate.c makes its system calls in the process.
 *
 * There is one CPU, without threads and interrupts; it runs some 30 million instructions a second.
 * What would be a signal ends the process with a line that says where. */
#ifndef TESTS_EMULATOR_H
#define TESTS_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

/* `folder` is where fetch.sh put the library. False: *error says why. */
bool emulator_open(const char *folder, const char **error);

/* Calls a function of at most six integers or pointers, with the calling thread's variables. */
uint64_t emulator_call(void (*function)(void), const uint64_t arguments[6]);

/* Memory that was mapped since the CPU last stopped is seen from here on; emulator_call does it. */
void emulator_see_memory(void);

/* Runs from an address on, until an exit; each system call is made by `call`, which returns what
 * goes to rax. */
enum { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8 };
typedef uint64_t EmulatorSystemCall(uint64_t number, const uint64_t arguments[6]);
_Noreturn void emulator_run(uint64_t start, uint64_t stack, EmulatorSystemCall *call);

/* Where thread-local memory lies: the base of fs. */
void emulator_set_thread(uint64_t base);

#endif
