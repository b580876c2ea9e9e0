--- dns.lua: socket.dns, from names to addresses and back.
local addresses = require 'coir.luasocket.addresses'
local core = require 'coir.luasocket.core'
local object = require 'coir.luasocket.object'
local resolver = require 'coir.dns'

local dns = {}

-- -- From addresses to names ----------------------------------------------------------------------

--- The words of each line of a file like /etc/hosts.
local function lines_of(path)
  local file = io.open(path)
  if not file then return {} end
  local lines = {}
  for line in file:lines() do
    local words = {}
    for word in line:gsub('#.*', ''):gmatch('%S+') do words[#words + 1] = word end
    if words[2] then lines[#lines + 1] = words end
  end
  file:close()
  return lines
end

--- The name that the DNS has the name of an IPv4 address under.
local function reverse_name(address)
  return address:gsub('^(%d+)%.(%d+)%.(%d+)%.(%d+)$', '%4.%3.%2.%1.in-addr.arpa')
end

--- The name of a numeric address and its aliases: from the hosts file; else, of IPv4, from the DNS.
local function name_of(address)
  for _, words in ipairs(lines_of(resolver.files().hosts)) do
    if words[1] == address then return words[2], table.move(words, 3, #words, 1, {}) end
  end
  if core.numeric(address) ~= 'inet' then return nil end
  local records = resolver.query(reverse_name(address), 'PTR')
  return records and records[1] and records[1].name, {}
end

--- The service that has this port.
local function service_of(port)
  local wanted = ('%d/tcp'):format(port)
  for _, words in ipairs(lines_of(resolver.files().services)) do
    if words[2] == wanted then return words[1] end
  end
  return tostring(port)
end

-- -- The functions --------------------------------------------------------------------------------

--- What gethostbyname(3) and gethostbyaddr(3) tell: {name =, alias =, ip =} | nil, message. An
--- address may have no name.
local function host_entry(host)
  local family, address = core.numeric(host)
  if family == 'inet' then
    local name, aliases = name_of(address)
    return { name = name, alias = aliases or {}, ip = { address } }
  end
  local rows, problem = addresses.look_up(host, '0', nil,
    { family = 'AF_INET', type = 'SOCK_STREAM', flags = 'AI_CANONNAME' })
  if not rows then
    local unknown = problem:find('not known', 1, true)
    return nil, unknown and 'host not found' or 'Host name lookup failure'
  end
  local entry = { name = rows[1].canonname or host, alias = {}, ip = {} }
  for i, row in ipairs(rows) do entry.ip[i] = row.host end
  return entry
end

--- toip(host) -> IPv4 address, {name =, alias =, ip =} | nil, message
function dns.toip(host)
  host = object.check_string(host, 1)
  local entry, problem = host_entry(host)
  if not entry then return nil, problem end
  entry.name = entry.name or entry.ip[1]
  return entry.ip[1], entry
end

--- tohostname(host) -> name, {name =, alias =, ip =} | nil, message
function dns.tohostname(host)
  host = object.check_string(host, 1)
  local entry, problem = host_entry(host)
  if not entry or not entry.name then return nil, problem or 'host not found' end
  return entry.name, entry
end

--- getaddrinfo(host) -> {{family = 'inet' or 'inet6', addr =}, …} | nil, message
function dns.getaddrinfo(host)
  host = object.check_string(host, 1)
  local rows, problem = addresses.find(host, '0', { kind = 'SOCK_STREAM' })
  if not rows then return nil, problem end
  local found = {}
  for i, row in ipairs(rows) do found[i] = { family = row.family, addr = row.host } end
  return found
end

--- getnameinfo(host or nil, service or nil) -> names of the host's addresses[, the service's name]
function dns.getnameinfo(host, service)
  host, service = host and object.check_string(host, 1), service and object.check_string(service, 2)
  if not host and not service then error('host and serv cannot be both nil', 2) end
  local options = { kind = 'SOCK_STREAM' }
  local rows, problem = addresses.find(host or '127.0.0.1', service or '0', options)
  if not rows then return nil, problem end
  local names = {}
  for i, row in ipairs(host and rows or {}) do names[i] = name_of(row.host) or row.host end
  if service then return names, service_of(rows[1].port) end
  return names
end

--- gethostname() -> the name of this machine
function dns.gethostname()
  local name, _, code = core.hostname()
  if not name then return nil, object.text(code) end
  return name
end

return dns
