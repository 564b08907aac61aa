// The texts of -o, and what `-o help` says.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/driver.h"
#include "tools/platter/persona.h"

namespace platter::cli {

// Adds the text of one more -o to `list`. False, after a message, for an empty text and for one that starts or ends
// with a single comma: joined with its neighbours it would mean something else.
bool AddOptionList(const Persona& persona, std::string& list, std::string_view text);

// What the driver's create takes, as this persona knows it: qemu-img knows nothing beyond qemu.
std::vector<OptionSpec> CreateOptionsFor(const Persona& persona, const FormatDriver& driver);

// Makes of the name of a backing file's format the word that qemu has for it, so that qemu finds it in the image, too.
// kInvalid for a format that qemu has no word for.
Result<> NameBackingFormat(const Persona& persona, OptionValues& options, std::span<const OptionSpec> specs);

// True when "help" or "?" is one of the options.
bool AsksForHelp(std::string_view list);

// "name=<type>  - what it does", sorted by name. Without a file name the host's own options stay out.
void PrintOptionHelp(const Persona& persona, const FormatDriver& driver, bool with_file_name);

// " name=value" for every option that was set or has a default, in the table's order: what `create` says it makes.
std::string DescribeOptions(const Persona& persona, const FormatDriver& driver, const OptionValues& options);

}  // namespace platter::cli
