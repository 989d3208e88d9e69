#include "passes/pass.h"

bool pass_parallel(PassContext *context) {
  (void)context;
  return true;
}
