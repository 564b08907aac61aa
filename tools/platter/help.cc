#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "formats/format_table.h"
#include "tools/platter/argument_parser.h"
#include "tools/print.h"

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
    PrintText("{} version 7.2 (platter " PLATTER_VERSION ")\n", persona.program);
  } else {
    PrintText("{} version " PLATTER_VERSION "\n", persona.program);
  }
}

void PrintHelp(const Persona& persona) {
  PrintVersion(persona);
  PrintText("usage: {} [standard options] command [command options]\n", persona.program);
  PrintText("{}\n\n", persona.as_qemu ? "QEMU disk image utility" : "Reads, checks and converts disk images");
  PrintText("    '-h', '--help'       display this help and exit\n");
  PrintText("    '-V', '--version'    output version information and exit\n\n");
  if (persona.as_qemu) {
    PrintText("Command syntax:\n");
    for (const Verb& verb : AllVerbs()) {
      if (!verb.ours) PrintText("  {} {}\n", verb.name, verb.usage);
    }
  } else {
    PrintText("Commands ('{} COMMAND --help' says more):\n", persona.program);
    for (const Verb& verb : AllVerbs()) PrintText("  {:<10}{}\n", verb.name, verb.summary);
  }
  PrintText("\n{}\n", kParameters);
  if (!persona.as_qemu) PrintText("{}\n", kExamples);
  PrintText("Supported formats: {}\n", SupportedFormats(persona));
}

void PrintVerbHelp(const Persona& persona, const Verb& verb) {
  PrintText("usage: {} {} {}\n\n", persona.program, verb.name, verb.usage);
  PrintText("{}\n\n{}\n{}\nFormats: {}\n", verb.summary, verb.options, kParameters, SupportedFormats(persona));
}

}  // namespace platter::cli
