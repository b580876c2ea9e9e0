--- object.lua: what the objects of all classes share: arguments, errors, timeouts, their life.
---
--- An object has the fields `s`, its socket (nil while it has none: not yet made, or closed),
--- `block` and `total`, the two timeouts (negative: none), and `timeout`, what one call may wait by
--- them. Its class is its metatable, as in LuaSocket, so that it changes when a master becomes a
--- client. A metatable has a true field for its class and one for its group.
local core = require 'coir.luasocket.core'
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'
local native = require 'coir.socket'

local object = {}

-- -- Arguments ------------------------------------------------------------------------------------

--- The name by which a function is called when the call itself does not say.
local function global_name(f)
  for name, value in pairs(native) do
    if value == f then return 'socket.' .. name end
  end
  return '?'
end

--- Raises what a C function raises about its argument `n`: about the function that was called from
--- outside of these modules, and at the place of that call.
function object.bad_argument(n, problem)
  local level = 2
  local caller = debug.getinfo(level + 1, 'S')
  while caller and caller.source:find('^@coir%.luasocket') do
    level = level + 1
    caller = debug.getinfo(level + 1, 'S')
  end
  local called = debug.getinfo(level, 'nf')
  local name = called.name or global_name(called.func)
  if called.namewhat == 'method' then n = n - 1 end
  if n == 0 then error(("calling '%s' on bad self (%s)"):format(name, problem), level + 1) end
  error(("bad argument #%d to '%s' (%s)"):format(n, name, problem), level + 1)
end

local function wrong_type(n, expected, value)
  local got = value == nil and 'no value' or type(value)
  object.bad_argument(n, ('%s expected, got %s'):format(expected, got))
end

--- Raises unless the object is of this class or group.
function object.check(self, group)
  local class = getmetatable(self)
  if not class or not class[group] then object.bad_argument(1, group .. ' expected') end
end

--- @return string text of a string or a number
function object.check_string(value, n, default)
  if type(value) == 'string' then return value end
  if value == nil and default then return default end
  if type(value) ~= 'number' then wrong_type(n, 'string', value) end
  return tostring(value)
end

--- @return number value of a number or its text
function object.check_number(value, n, default)
  if value == nil and default then return default end
  local number = tonumber(value)
  if not number then wrong_type(n, 'number', value) end
  return number
end

--- A number without its fraction; one that no integer can be is the nearest that one can.
function object.to_integer(number)
  local whole = number < 0 and -(-number // 1) or number // 1
  local nearest = number > 0 and math.maxinteger or number < 0 and math.mininteger or 0
  return math.tointeger(whole) or nearest
end

function object.check_integer(value, n, default)
  local number = object.check_number(value, n, default)
  return object.to_integer(number)
end

function object.check_type(value, n, kind)
  if type(value) ~= kind then wrong_type(n, kind, value) end
end

--- @return any value of the choice that the string makes; `default` without a string
function object.check_choice(value, n, choices, default)
  local name = object.check_string(value, n, default)
  if choices[name] == nil then object.bad_argument(n, ("invalid option '%s'"):format(name)) end
  return choices[name]
end

-- -- Errors ---------------------------------------------------------------------------------------

--- LuaSocket's own words; for all other errors it has those of strerror(3).
local texts = {
  [errno.EADDRINUSE] = 'address already in use',
  [errno.EISCONN] = 'already connected',
  [errno.EACCES] = 'permission denied',
  [errno.ECONNREFUSED] = 'connection refused',
  [errno.ECONNABORTED] = 'closed',
  [errno.ECONNRESET] = 'closed',
  [errno.EPIPE] = 'closed',
  [errno.ETIMEDOUT] = 'timeout',
}

function object.text(code) return texts[code] or errno.strerror(code) end

--- What a call returns that failed with this error number. A socket that another fiber has closed
--- meanwhile is `closed`.
function object.failure(self, code)
  if code == errno.EBADF and not self.s then return nil, 'closed' end
  return nil, object.text(code)
end

-- -- Timeouts -------------------------------------------------------------------------------------

--- With both timeouts, each single wait is limited by the one and all of them together by the
--- other, so one deadline does not do: `f(..., 0)` until it does not time out, and in between
--- `self.s:<wait>()`.
function object.retry(self, wait, f, ...)
  local began = fiber.clock()
  local arguments = table.pack(...)
  arguments[arguments.n + 1] = 0
  while true do
    local results = table.pack(f(table.unpack(arguments, 1, arguments.n + 1)))
    local left = math.min(self.block, self.total - (fiber.clock() - began))
    local again = not results[1] and results[3] == errno.ETIMEDOUT and self.s and left > 0
    if not again or not self.s[wait](self.s, left) then
      return table.unpack(results, 1, results.n)
    end
  end
end

--- Whether each wait has a limit and all together have another.
function object.has_both_timeouts(self) return self.block > 0 and self.total >= 0 end

-- -- Making ---------------------------------------------------------------------------------------

--- A new socket of ours for an object. IPv6 ones leave IPv4 alone.
--- @return any? s
--- @return string? message
function object.new_socket(domain, kind)
  local s, _, code = native(domain, kind)
  if not s then return nil, object.text(code) end
  if domain == 'AF_INET6' then s:setsockopt('IPPROTO_IPV6', 'IPV6_V6ONLY', true) end
  return object.adopt(s)
end

--- Makes a socket fit for an object: lines of any length, and close() ends a wait without raising.
function object.adopt(s)
  s:setmaxline(math.maxinteger)
  return core.close_quietly(s)
end

function object.new(class, fields)
  fields.block, fields.total = -1, -1
  return setmetatable(fields, class)
end

-- -- Methods --------------------------------------------------------------------------------------

--- Adds what all classes of a group have. `methods` is the table to add them to.
function object.add_methods(methods, group)
  local check = object.check

  function methods.settimeout(self, value, mode)
    check(self, group)
    value = object.check_number(value, 2, -1)
    mode = object.check_string(mode, 3, 'b'):sub(1, 1)
    if mode == 'b' then
      self.block = value
    elseif mode == 't' or mode == 'r' then
      self.total = value
    else
      object.bad_argument(3, 'invalid timeout mode')
    end
    self.timeout = self.block >= 0 and self.block or self.total >= 0 and self.total or nil
    self.both = object.has_both_timeouts(self)
    return 1.0
  end

  function methods.gettimeout(self)
    check(self, group)
    return self.block + 0.0, self.total + 0.0
  end

  function methods.close(self)
    check(self, group)
    local s = self.s
    if s then
      if self.rest then self.rest.rbuf = tostring(s.rbuf) end
      self.s = nil
      s:close()
    end
    return 1.0
  end

  function methods.getfd(self)
    check(self, group)
    return self.s and self.s:fd() + 0.0 or -1.0
  end

  --- The number that the object had is given away, not closed. What is buffered stays.
  function methods.setfd(self, fd)
    check(self, group)
    fd = object.check_integer(fd, 2)
    local s = fd ~= -1 and native.from_fd(fd) or nil
    if fd ~= -1 and not s then object.bad_argument(2, 'not an open descriptor') end
    if s then object.adopt(s) end
    if self.rest then
      self.rest.rbuf = tostring((self.s or self.rest).rbuf)
      if s then s:unread(self.rest.rbuf) end
    end
    if self.s then self.s:detach() end
    self.s = s
  end

  function methods.dirty(self)
    check(self, group)
    local source = self.s or self.rest
    return source ~= nil and #source.rbuf > 0
  end
end

--- Makes the classes of a group, all with these methods. Returns them in the order of the names.
function object.classes(group, names, methods)
  local classes = {}
  for i, name in ipairs(names) do
    local index = { class = name }
    for key, method in pairs(methods) do index[key] = method end
    classes[i] = {
      __index = index,
      __name = name,
      __tostring = function(self) return ('%s: %p'):format(name, self) end,
      __close = methods.close,
      [name] = true,
      [group] = true,
    }
  end
  return table.unpack(classes)
end

return object
