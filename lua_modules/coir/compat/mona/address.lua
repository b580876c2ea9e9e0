--- coir.compat.mona.address: MonaServer's SocketAddress and IPAddress objects.
local base = require 'coir.compat.base'

local address = {}

local Address = { __name = 'address' }
Address.__index = Address

function Address.__tostring(self) return self.value end

function Address.__concat(a, b) return tostring(a) .. tostring(b) end

function Address.__eq(a, b) return a.value == b.value end

local function new(value, host, port)
  return setmetatable({ value = value, host = host, port = port,
                        isIPv6 = host:find(':', 1, true) ~= nil }, Address)
end

--- @param host string numeric
--- @param port integer
function address.socket(host, port) return new(base.format(host, port), host, port) end

--- @param host string numeric
function address.ip(host) return new(host, host) end

--- An object from `ip:port`.
function address.from_text(text) return address.socket(base.parse(text)) end

--- What `base.parse` takes, from what a script gives: a text, a number or an object, perhaps with a
--- port.
function address.plain(value, port)
  if getmetatable(value) == Address then
    if port == nil then port = value.port end
    return value.host, port
  end
  return value, port
end

--- Whether a text is an IP address, so that no resolver need be asked.
function address.is_numeric(text)
  return text:find '^%d+%.%d+%.%d+%.%d+$' ~= nil or text:find '^%x*:[%x:.]*$' ~= nil
end

return address
