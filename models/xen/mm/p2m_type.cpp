#include "models/xen/mm/p2m_type.h"

namespace xensim::xen {

namespace {

constexpr std::uint64_t kR = 1, kW = 2, kX = 4, kAll = kR | kW | kX;

std::uint64_t type_rights(P2mType t, bool superpage, bool pml) {
  switch (t) {
    case P2mType::kRamRw:
    case P2mType::kMmioDirect:
      return kAll;
    case P2mType::kRamLogDirty:
      return pml && !superpage ? kAll : kR | kX;
    case P2mType::kRamRo:
    case P2mType::kRamShared:
      return kR | kX;
    case P2mType::kGrantMapRw:
    case P2mType::kMapForeign:
    case P2mType::kIoreqServer:
      return kR | kW;
    case P2mType::kGrantMapRo:
      return kR;
    case P2mType::kInvalid:
    case P2mType::kMmioDm:
    case P2mType::kPopulateOnDemand:
    case P2mType::kRamPagingOut:
    case P2mType::kRamPaged:
    case P2mType::kRamPagingIn:
    case P2mType::kRamBroken:
      return 0;
  }
  return 0;
}

std::uint64_t access_rights(P2mAccess a) {
  switch (a) {
    case P2mAccess::kN:
    case P2mAccess::kN2Rwx:
      return 0;
    case P2mAccess::kR:
      return kR;
    case P2mAccess::kW:
      return kW;
    case P2mAccess::kX:
      return kX;
    case P2mAccess::kRx:
    case P2mAccess::kRx2Rw:
      return kR | kX;
    case P2mAccess::kWx:
      return kW | kX;
    case P2mAccess::kRw:
      return kR | kW;
    case P2mAccess::kRwx:
      return kAll;
  }
  return 0;
}

}  // namespace

std::uint64_t ept_rights(P2mType t, P2mAccess a, bool superpage, bool pml) {
  return type_rights(t, superpage, pml) & access_rights(a);
}

}  // namespace xensim::xen
