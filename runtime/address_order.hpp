// address_order.hpp: which of several addresses of a host to try first (RFC 6724, section 6).
#pragma once

#include <vector>

#include "runtime/address.hpp"

namespace coir {

// Sorts the addresses, the best first. Equal ones keep their order. The kernel is asked for the
// source address that each would be reached from, without sending anything; the rules that need to
// know how old or mobile that is (3, 4 and 7) are left out. Throws std::bad_alloc.
void sort_addresses(std::vector<Address>& addresses);

// The families of which this machine has an address other than that of its loopback
// (AI_ADDRCONFIG). Both when it has none, or that cannot be found out.
struct Families {
    bool v4 = true;
    bool v6 = true;
};
Families configured_families();

}  // namespace coir
