/* dlc: compiles neural networks (.dl) to native programs that infer and train. */
#include <stdio.h>

int main(void) {
  fprintf(stderr, "dlc " DLC_VERSION "\n");
  return 2;
}
