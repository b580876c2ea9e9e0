--- select.lua: socket.select, for any number of descriptors.
local core = require 'coir.luasocket.core'
local object = require 'coir.luasocket.object'

local READ, WRITE = 1, 2

--- The descriptor of LuaSocket's objects and whatever else has `getfd`, and of our own sockets. nil
--- for others.
local function descriptor(value)
  local ask = value.getfd or type(value) == 'userdata' and value.fd
  local fd = ask and tonumber((ask(value)))
  return fd and fd >= 0 and object.to_integer(fd) or nil
end

--- Whether something is buffered that the kernel does not know of any more.
local function dirty(value)
  if value.dirty then return value:dirty() end
  return type(value) == 'userdata' and value.rbuf ~= nil and #value.rbuf > 0
end

--- Notes what is asked about the values of a list. Those that are ready without asking come first
--- in `ready`.
local function collect(list, event, asked, ready)
  for _, value in ipairs(list or {}) do
    local fd = descriptor(value)
    if fd and ready and dirty(value) then
      ready[#ready + 1] = value
    elseif fd then
      asked.values[fd] = value
      asked.events[fd] = (asked.events[fd] or 0) | event
    end
  end
end

--- The descriptors in ascending order, and what each is asked for.
local function in_order(asked)
  local fds, events = {}, {}
  for fd in pairs(asked.events) do fds[#fds + 1] = fd end
  table.sort(fds)
  for i, fd in ipairs(fds) do events[i] = asked.events[fd] end
  return fds, events
end

local function add_places(list)
  for i = 1, #list do list[list[i]] = i + 0.0 end
  return list
end

--- select(readers, writers[, timeout]) -> readers that are ready, writers that are[, 'timeout']
return function(readers, writers, timeout)
  timeout = object.check_number(timeout, 3, -1)
  if readers ~= nil then object.check_type(readers, 1, 'table') end
  if writers ~= nil then object.check_type(writers, 2, 'table') end
  local asked, readable, writable = { values = {}, events = {} }, {}, {}
  collect(readers, READ, asked, readable)
  collect(writers, WRITE, asked)
  local fds, events = in_order(asked)
  if #readable > 0 then timeout = 0 end
  local ok = core.poll(fds, events, timeout >= 0 and timeout or nil)
  if not ok then error('select failed', 2) end
  for i, fd in ipairs(fds) do
    if events[i] & READ ~= 0 then readable[#readable + 1] = asked.values[fd] end
    if events[i] & WRITE ~= 0 then writable[#writable + 1] = asked.values[fd] end
  end
  local none = #readable == 0 and #writable == 0
  add_places(readable)
  add_places(writable)
  if none then return readable, writable, 'timeout' end
  return readable, writable
end
