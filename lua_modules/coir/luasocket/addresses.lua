--- addresses.lua: from a host and a port to addresses that a socket takes.
local core = require 'coir.luasocket.core'
local errno = require 'coir.errno'
local native = require 'coir.socket'

local addresses = { domains = { inet = 'AF_INET', inet6 = 'AF_INET6' } }

local unknown = 'host or service not provided, or not known'
local families = { AF_INET = 'inet', AF_INET6 = 'inet6' }

--- The number that the text of a port spells, or nil.
function addresses.port(text)
  local number = text:find('^%d+$') and tonumber(text)
  return number and number <= 65535 and math.tointeger(number) or nil
end

--- Why a look-up failed, in LuaSocket's words.
local function problem_with(port, code, message)
  if code == errno.ETIMEDOUT then return 'timeout' end
  local hints = { type = 'SOCK_STREAM' }
  if not addresses.port(port) and not native.getaddrinfo('127.0.0.1', port, nil, hints) then
    return 'service not supported for socket type'
  end
  local why = message:match('[^:]*$')
  return why:find('server', 1, true) and 'temporary failure in name resolution' or unknown
end

--- getaddrinfo() of ours with families and messages in LuaSocket's words.
function addresses.look_up(host, port, timeout, hints)
  if host == '' then return nil, unknown end
  local rows, message, code = native.getaddrinfo(host, port, timeout, hints)
  if not rows then return nil, problem_with(port, code, message) end
  for _, row in ipairs(rows) do row.family = families[row.family] end
  return rows
end

--- @param host string a name or a numeric address
--- @param port string a number or the name of a service
--- @param options { family?: string, kind: string, timeout?: number } in LuaSocket's words; without
---   a family, any
--- @return table[]? rows each with `host`, `port` and `family`
--- @return string? message
function addresses.find(host, port, options)
  local number, family, address = addresses.port(port), core.numeric(host)
  if family and options.family and family ~= options.family then
    return nil, 'Address family for hostname not supported'
  end
  if number and family then return { { host = address, port = number, family = family } } end
  -- Who must not wait for the network waits for the resolver all the same.
  local timeout = options.timeout ~= 0 and options.timeout or nil
  return addresses.look_up(host, port, timeout,
    { family = addresses.domains[options.family], type = options.kind })
end

return addresses
