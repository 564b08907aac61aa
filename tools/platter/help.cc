#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "formats/format_table.h"
#include "tools/platter/argument_parser.h"

#ifndef PLATTER_VERSION
#error "the build defines PLATTER_VERSION"
#endif

namespace platter::cli {
namespace {

std::string SupportedFormats(const Persona& persona) {
  std::vector<std::string_view> names;
  for (const FormatDriver* driver : AllFormats()) {
    const bool known = !persona.as_qemu || !driver->qemu_name.empty();
    if (known && !driver->described_only) names.push_back(persona.FormatName(*driver));
  }
  std::ranges::sort(names);
  return fmt::format("{}", fmt::join(names, " "));
}

constexpr std::string_view kParameters =
    "Sizes are bytes, or take a suffix: k, M, G, T, P, E (powers of 1024); 0x1000 is hexadecimal.\n"
    "Cache modes (-t of the target, -T of the source): none, writeback, writethrough, directsync, unsafe.\n"
    "Format options (-o): name=value,name=value; -o help lists them.\n";

constexpr std::string_view kExamples =
    "Examples:\n"
    "  platter info disk.qcow2\n"
    "  platter convert -p -O qcow2 -c disk.img disk.qcow2\n"
    "  platter check -r leaks disk.qcow2\n"
    "  platter map --output=json disk.qcow2\n";

}  // namespace

void PrintVersion(const Persona& persona) {
  if (persona.as_qemu) {
    fmt::print("{} version 7.2 (platter " PLATTER_VERSION ")\n", persona.program);
  } else {
    fmt::print("{} version " PLATTER_VERSION "\n", persona.program);
  }
}

void PrintHelp(const Persona& persona) {
  PrintVersion(persona);
  fmt::print("usage: {} [standard options] command [command options]\n", persona.program);
  fmt::print("{}\n\n", persona.as_qemu ? "QEMU disk image utility" : "Reads, checks and converts disk images");
  fmt::print("    '-h', '--help'       display this help and exit\n");
  fmt::print("    '-V', '--version'    output version information and exit\n\n");
  if (persona.as_qemu) {
    fmt::print("Command syntax:\n");
    for (const Verb& verb : AllVerbs()) {
      if (!verb.ours) fmt::print("  {} {}\n", verb.name, verb.usage);
    }
  } else {
    fmt::print("Commands ('{} COMMAND --help' says more):\n", persona.program);
    for (const Verb& verb : AllVerbs()) fmt::print("  {:<10}{}\n", verb.name, verb.summary);
  }
  fmt::print("\n{}\n", kParameters);
  if (!persona.as_qemu) fmt::print("{}\n", kExamples);
  fmt::print("Supported formats: {}\n", SupportedFormats(persona));
}

void PrintVerbHelp(const Persona& persona, const Verb& verb) {
  fmt::print("usage: {} {} {}\n\n", persona.program, verb.name, verb.usage);
  fmt::print("{}\n\n{}\n{}\nFormats: {}\n", verb.summary, verb.options, kParameters, SupportedFormats(persona));
}

}  // namespace platter::cli
