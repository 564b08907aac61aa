// Recognition of VMDK files. Pure.
#pragma once

#include "formats/core/driver.h"

namespace platter::vmdk {

// FormatDriver::probe.
Likeness Probe(const ProbeInput& input) noexcept;
// FormatDriver::qemu_probe.
Likeness ProbeAsQemu(const ProbeInput& input) noexcept;

}  // namespace platter::vmdk
