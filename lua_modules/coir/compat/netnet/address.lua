--- coir.compat.netnet.address: NetNet's socket addresses, a host and a port that can be read and
--- changed.
local base = require 'coir.compat.base'
local constants = require 'coir.compat.netnet.constants'
local errno = require 'coir.errno'

local Address = { __name = 'socket address' }
Address.__index = Address

local families = { [constants.AF_INET] = 'AF_INET', [constants.AF_INET6] = 'AF_INET6' }

local function is_numeric(text)
  return text:find '^[%d.]+$' ~= nil or text:find '^%x*:[%x:.]*$' ~= nil
end

local function new(host, port)
  return setmetatable({ host = host, port = port }, Address)
end

function Address:GetPort() return self.port end

function Address:SetPort(port) self.port = math.tointeger(tonumber(port)) or 0 end

function Address:GetAddressString() return self.host end

--- @param text string a numeric address
--- @return boolean whether it is one
function Address:SetAddressFromString(text)
  if not is_numeric(text) then return false end
  self.host = text
  return true
end

--- @return integer AF_INET or AF_INET6
function Address:Family()
  return self.host:find(':', 1, true) and constants.AF_INET6 or constants.AF_INET
end

--- The family's name, as `coir.socket` takes it.
function Address:FamilyName() return families[self:Family()] end

--- What the system's structure for this family takes, in bytes.
function Address:Size() return self:Family() == constants.AF_INET6 and 28 or 16 end

function Address:Clone() return new(self.host, self.port) end

function Address:Equal(other) return self.host == other.host and self.port == other.port end

function Address:EqualPort(other) return self.port == other.port end

function Address:__tostring()
  return ('%s, %s,  %s'):format(self:FamilyName(), self.host, self.port)
end

local address = {}

--- The address of a host. Waits in the calling fiber while a name is looked up.
--- @param host string a name or a numeric address, perhaps with `:port`
--- @param port? integer|string
--- @return table? address
--- @return integer? code
function address.CreateSocketAddress(host, port)
  if host:find '^[^:]+:%d+$' then port = nil end
  local name, number, code = base.parse(host, port)
  if not name then return nil, code end
  local ip, _, problem = base.resolve(name)
  if not ip then return nil, problem end
  return new(ip, number)
end

local function numeric(family, host, port)
  if not is_numeric(host) then return nil, errno.EINVAL end
  local one = new(host, math.tointeger(tonumber(port)) or 0)
  if one:Family() ~= family then return nil, errno.EAFNOSUPPORT end
  return one
end

--- @param host string a numeric address
function address.CreateIPV4Address(host, port) return numeric(constants.AF_INET, host, port) end

--- @param host string a numeric address
function address.CreateIPV6Address(host, port) return numeric(constants.AF_INET6, host, port) end

--- Every address of this machine, of the given family.
function address.CreateIPV4WildcardAddress(family, port)
  local six = family == constants.AF_INET6
  return new(six and '::' or '0.0.0.0', math.tointeger(tonumber(port)) or 0)
end

return address
