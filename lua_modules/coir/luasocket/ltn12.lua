--- ltn12.lua: socket.source and socket.sink, which make sources and sinks in the sense of ltn12 of
--- sockets.
local ltn12 = { block_size = 2048 }

--- A function that picks one of a table's constructors by its name; without a name, `default`.
function ltn12.choose(constructors)
  return function(name, first, second)
    if type(name) ~= 'string' then name, first, second = 'default', name, first end
    local make = constructors[name]
    if not make then error(('unknown key (%s)'):format(name), 3) end
    return make(first, second)
  end
end

--- Something callable that select() takes in place of the socket.
local function callable(s, call)
  return setmetatable({
    getfd = function() return s:getfd() end,
    dirty = function() return s:dirty() end,
  }, { __call = function(_, ...) return call(...) end })
end

-- -- Sinks ----------------------------------------------------------------------------------------

ltn12.sinks = {}

ltn12.sinks['close-when-done'] = function(s)
  return callable(s, function(chunk)
    if chunk then return s:send(chunk) end
    s:close()
    return 1
  end)
end

ltn12.sinks['keep-open'] = function(s)
  return callable(s, function(chunk)
    if chunk then return s:send(chunk) end
    return 1
  end)
end

ltn12.sinks.default = ltn12.sinks['keep-open']

-- -- Sources --------------------------------------------------------------------------------------

--- `socket` is the module, whose BLOCKSIZE says how much is received at once.
function ltn12.sources(socket)
  local sources = {}

  sources['by-length'] = function(s, length)
    return callable(s, function()
      if length <= 0 then return nil end
      local chunk, problem = s:receive(math.min(socket.BLOCKSIZE, length))
      if problem then return nil, problem end
      length = length - #chunk
      return chunk
    end)
  end

  sources['until-closed'] = function(s)
    local done = false
    return callable(s, function()
      if done then return nil end
      local chunk, problem, partial = s:receive(socket.BLOCKSIZE)
      if not problem then return chunk end
      if problem ~= 'closed' then return nil, problem end
      s:close()
      done = true
      return partial
    end)
  end

  sources.default = sources['until-closed']
  return sources
end

return ltn12
