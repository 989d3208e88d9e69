/* kernels.h - kernels of tests/tools/native.h on the emulated CPU, whatever this machine's is. */
#ifndef TESTS_EMULATOR_KERNELS_H
#define TESTS_EMULATOR_KERNELS_H

/* All from here on; `folder` is emulator_open's. Ends the program if it is not there. */
void emulate_kernels(const char *folder);

#endif
