# Text tests: a file says what to run in its comments ("RUN:"), and FileCheck or a neighbour what
# comes out. ctest runs them as 'lit'; alone:  lit build/release/tests/lit --filter NAME
# %errors   checks the file at hand, which must fail, and compares stderr with NAME.dl.err
# %warnings the same for a file that must pass
# Line numbers of the standard library's files are masked (mask.awk).
# %opt_errors   as %errors, for graph text read by dlc opt
# %comes_back   graph text that dlc opt prints as it is, but for comments
# After an intended change:  lit -D update=1 ...  writes the .err files anew; review the diff.
import os

import lit.formats

config.name = "dlc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".dl", ".ir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.build_folder

config.environment["PATH"] = os.pathsep.join([config.llvm_tools, config.environment["PATH"]])
config.environment["LC_ALL"] = "C"
if config.linking_cc:
    config.environment["CC"] = config.linking_cc

compare = "diff %basename_t.err -"
if lit_config.params.get("update"):
    compare = "tee %basename_t.err"
mask = "awk -f " + os.path.join(config.test_source_root, "mask.awk")
check = "%dlc check --color=never %basename_t 2>&1 >/dev/null | " + mask + " | " + compare
config.substitutions.append(("%errors", "cd %S && not " + check))
graph = "%dlc opt --color=never %basename_t 2>&1 >/dev/null | " + compare
config.substitutions.append(("%opt_errors", "cd %S && not " + graph))
config.substitutions.append(("%comes_back", "grep -v '^# ' %s > %t && %dlc opt %s | diff %t -"))
config.substitutions.append(("%warnings", "cd %S && " + check))
config.substitutions.append(("%dlc", config.dlc))
config.recursiveExpansionLimit = 3
