#!/bin/bash
# The style gates: formatting, clang-tidy and clang's warnings, headers that compile alone, the direction of includes,
# size budgets. Needs a configured build/asan (scripts/test.sh makes it). Ends with non-zero when one of them fails.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0

mapfile -t sources < <(git ls-files '*.h' '*.cc')
clang-format-14 --dry-run --Werror "${sources[@]}" || failed=1
python3 scripts/check_layout.py "${sources[@]}" || failed=1
python3 scripts/check_code.py build/asan/compile_commands.json "${sources[@]}" || failed=1

if [ $failed != 0 ]; then
  echo "style: FAILED"
  exit 1
fi
echo "style: ${#sources[@]} files clean"
