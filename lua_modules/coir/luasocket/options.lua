--- options.lua: setoption and getoption, whose names are LuaSocket's.
local core = require 'coir.luasocket.core'
local object = require 'coir.luasocket.object'

local options = {}

-- -- Values ---------------------------------------------------------------------------------------

local function check_address(text, family, problem)
  if core.numeric(text) ~= family then object.bad_argument(3, problem) end
  return text
end

--- How a value of each kind is checked, given to the socket, and shown. `set` returns what
--- setsockopt takes.
local kinds = {
  boolean = {
    set = function(value)
      object.check_type(value, 3, 'boolean')
      return value
    end,
    get = function(value) return value ~= 0 end,
  },
  integer = {
    set = function(value) return object.to_integer(tonumber(value) or 0) end,
    get = function(value) return value + 0.0 end,
  },
  error = { get = function(value) return value ~= 0 and object.text(value) or nil end },
  interface = {
    set = function(value)
      local address = object.check_string(value, 3)
      if address == '*' then return '0.0.0.0' end
      return check_address(address, 'inet', 'ip expected')
    end,
    get = function(value) return value end,
  },
}

local function check_field(value, name, kind)
  if type(value[name]) ~= kind then
    object.bad_argument(3, ("%s '%s' field expected"):format(kind, name))
  end
  return value[name]
end

kinds.membership4 = {
  set = function(value)
    object.check_type(value, 3, 'table')
    local group = check_field(value, 'multiaddr', 'string')
    check_address(group, 'inet', "invalid 'multiaddr' ip address")
    local interface = check_field(value, 'interface', 'string')
    if interface == '*' then return group end
    check_address(interface, 'inet', "invalid 'interface' ip address")
    return { group = group, interface = interface }
  end,
}

kinds.membership6 = {
  set = function(value)
    object.check_type(value, 3, 'table')
    local group = check_field(value, 'multiaddr', 'string')
    check_address(group, 'inet6', "invalid 'multiaddr' ip address")
    if value.interface ~= nil then check_field(value, 'interface', 'number') end
    return { group = group, interface = value.interface }
  end,
}

-- -- Names ----------------------------------------------------------------------------------------

local known = {
  ['keepalive'] = { 'SOL_SOCKET', 'SO_KEEPALIVE', 'boolean' },
  ['reuseaddr'] = { 'SOL_SOCKET', 'SO_REUSEADDR', 'boolean' },
  ['reuseport'] = { 'SOL_SOCKET', 'SO_REUSEPORT', 'boolean' },
  ['dontroute'] = { 'SOL_SOCKET', 'SO_DONTROUTE', 'boolean' },
  ['broadcast'] = { 'SOL_SOCKET', 'SO_BROADCAST', 'boolean' },
  ['recv-buffer-size'] = { 'SOL_SOCKET', 'SO_RCVBUF', 'integer' },
  ['send-buffer-size'] = { 'SOL_SOCKET', 'SO_SNDBUF', 'integer' },
  ['error'] = { 'SOL_SOCKET', 'SO_ERROR', 'error' },
  ['tcp-nodelay'] = { 'IPPROTO_TCP', 'TCP_NODELAY', 'boolean' },
  ['tcp-keepidle'] = { 'IPPROTO_TCP', 'TCP_KEEPIDLE', 'integer' },
  ['tcp-keepcnt'] = { 'IPPROTO_TCP', 'TCP_KEEPCNT', 'integer' },
  ['tcp-keepintvl'] = { 'IPPROTO_TCP', 'TCP_KEEPINTVL', 'integer' },
  ['tcp-defer-accept'] = { 'IPPROTO_TCP', 'TCP_DEFER_ACCEPT', 'integer' },
  ['tcp-fastopen'] = { 'IPPROTO_TCP', 'TCP_FASTOPEN', 'integer' },
  ['tcp-fastopen-connect'] = { 'IPPROTO_TCP', 'TCP_FASTOPEN_CONNECT', 'integer' },
  ['ip-multicast-if'] = { 'IPPROTO_IP', 'IP_MULTICAST_IF', 'interface' },
  ['ip-multicast-ttl'] = { 'IPPROTO_IP', 'IP_MULTICAST_TTL', 'integer' },
  ['ip-multicast-loop'] = { 'IPPROTO_IP', 'IP_MULTICAST_LOOP', 'boolean' },
  ['ip-add-membership'] = { 'IPPROTO_IP', 'IP_ADD_MEMBERSHIP', 'membership4' },
  ['ip-drop-membership'] = { 'IPPROTO_IP', 'IP_DROP_MEMBERSHIP', 'membership4' },
  ['ipv6-unicast-hops'] = { 'IPPROTO_IPV6', 'IPV6_UNICAST_HOPS', 'integer' },
  ['ipv6-multicast-hops'] = { 'IPPROTO_IPV6', 'IPV6_MULTICAST_HOPS', 'integer' },
  ['ipv6-multicast-loop'] = { 'IPPROTO_IPV6', 'IPV6_MULTICAST_LOOP', 'boolean' },
  ['ipv6-add-membership'] = { 'IPPROTO_IPV6', 'IPV6_JOIN_GROUP', 'membership6' },
  ['ipv6-drop-membership'] = { 'IPPROTO_IPV6', 'IPV6_LEAVE_GROUP', 'membership6' },
  ['ipv6-v6only'] = { 'IPPROTO_IPV6', 'IPV6_V6ONLY', 'boolean' },
}

-- The linger option has a method of its own.
local function set_linger(s, value)
  object.check_type(value, 3, 'table')
  local on, seconds = check_field(value, 'on', 'boolean'), check_field(value, 'timeout', 'number')
  return s and s:linger(on, object.to_integer(seconds))
end

local function get_linger(s)
  if not s then return nil end
  local on, seconds = s:linger()
  return on ~= nil and { on = on, timeout = seconds } or nil
end

local function set(s, name, value)
  if name == 'linger' then return set_linger(s, value) ~= nil end
  local option = known[name]
  value = kinds[option[3]].set(value)
  return s and s:setsockopt(option[1], option[2], value)
end

-- -- Methods --------------------------------------------------------------------------------------

local function set_of(names)
  local result = {}
  for name in names:gmatch('%S+') do result[name] = true end
  return result
end

local function check_name(name, names)
  name = object.check_string(name, 2)
  if not names[name] then
    object.bad_argument(2, ("unsupported option `%s'"):format(name:sub(1, 35)))
  end
  return name
end

--- Adds setoption and, unless `names.get` is missing, getoption.
--- @param names { set: string, get?: string } which options there are
function options.add_methods(methods, group, names)
  local settable, gettable = set_of(names.set), set_of(names.get or '')

  function methods.setoption(self, name, value)
    object.check(self, group)
    name = check_name(name, settable)
    if not set(self.s, name, value) then return nil, 'setsockopt failed' end
    return 1.0
  end

  if not names.get then return end

  function methods.getoption(self, name)
    object.check(self, group)
    name = check_name(name, gettable)
    if name == 'linger' then
      local value = get_linger(self.s)
      if not value then return nil, 'getsockopt failed' end
      return value
    end
    local option = known[name]
    local value = self.s and self.s:getsockopt(option[1], option[2])
    if value == nil then return nil, 'getsockopt failed' end
    return kinds[option[3]].get(value)
  end
end

return options
