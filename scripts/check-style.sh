#!/bin/bash
# The style gates: formatting, clang-tidy and clang's warnings, headers that compile alone, the direction of includes,
# size budgets, the tests that docs/formats.md names. Needs a configured build/asan (scripts/test.sh makes it). Ends with
# non-zero when one of them fails.
#
# usage: scripts/check-style.sh [all]   clang-tidy looks at the product's files; with `all` at the tests', too, which takes
# as long again; two compilers look at those with warnings as errors all the same.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0

mapfile -t sources < <(git ls-files '*.h' '*.cc')
clang-format-14 --dry-run --Werror "${sources[@]}" || failed=1
python3 scripts/check_layout.py "${sources[@]}" || failed=1
python3 scripts/check_formats.py || failed=1
if [ "${1:-}" = all ]; then
  looked_at=("${sources[@]}")
else
  mapfile -t looked_at < <(printf '%s\n' "${sources[@]}" | grep -v '^tests/')
fi
python3 scripts/check_code.py build/asan/compile_commands.json "${looked_at[@]}" || failed=1

if [ $failed != 0 ]; then
  echo "style: FAILED"
  exit 1
fi
echo "style: ${#sources[@]} files clean"
