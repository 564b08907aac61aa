// The function that a fuzzing engine, and the replay, call for every input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace platter::fuzz {

// Defined by each harness.
void TestOneInput(std::span<const std::uint8_t> input);

}  // namespace platter::fuzz
