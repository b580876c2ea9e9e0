--- coir.compat.lua51: names of Lua 5.1 that 5.4 has dropped, for old scripts.
---
--- Not a whole Lua 5.1: integers are integers, `module` is missing, and a function's environment is its upvalue
--- `_ENV`, which a function that uses no global does not have.
local lua51 = {}

--- @return function|nil f the function that `target` stands for: itself, or that of a level of the stack
local function to_function(target, name)
  if type(target) == 'function' then return target end
  local level = math.tointeger(target or 1)
  if not level or level < 0 then error(('bad argument #1 to %s'):format(name), 3) end
  if level == 0 then return nil end
  local info = debug.getinfo(level + 2, 'f')
  if not info then error(('bad argument #1 to %s (invalid level)'):format(name), 3) end
  return info.func
end

--- @return integer? place of _ENV among the upvalues of a Lua function
local function place_of_env(f)
  if debug.getinfo(f, 'S').what == 'C' then return nil end
  for place = 1, math.huge do
    local name = debug.getupvalue(f, place)
    if name == '_ENV' then return place end
    if not name then return nil end
  end
end

--- @param target? function|integer a function, or a level of the stack, 1 without it; 0: the globals
--- @return table env
function lua51.getfenv(target)
  local f = to_function(target, 'getfenv')
  local place = f and place_of_env(f)
  if not place then return _G end
  local _, env = debug.getupvalue(f, place)
  return env
end

--- Gives one function other globals; those that share its environment keep theirs. A function that uses no global
--- has nothing to set. Raises for C functions and for level 0.
--- @param target function|integer
--- @param env table
--- @return function? f
function lua51.setfenv(target, env)
  if type(env) ~= 'table' then error('bad argument #2 to setfenv (table expected)', 2) end
  local f = to_function(target, 'setfenv')
  if not f or debug.getinfo(f, 'S').what == 'C' then
    error('setfenv cannot change environment of given object', 2)
  end
  local place = place_of_env(f)
  if place then debug.upvaluejoin(f, place, function() return env end, 1) end
  return f
end

lua51.unpack = table.unpack

--- @param text string
--- @param name? string
--- @return function? chunk
--- @return string? message
function lua51.loadstring(text, name)
  return load(text, name or text)
end

local additions = {
  table = {
    getn = function(t) return #t end,
    maxn = function(t)
      local most = 0
      for k in next, t do
        if type(k) == 'number' and k > most then most = k end
      end
      return most
    end,
    foreach = function(t, f)
      for k, v in next, t do
        local result = f(k, v)
        if result ~= nil then return result end
      end
    end,
    foreachi = function(t, f)
      for i = 1, #t do
        local result = f(i, t[i])
        if result ~= nil then return result end
      end
    end,
  },
  string = { gfind = string.gmatch },
  math = {
    pow = function(x, y) return x ^ y end,
    mod = math.fmod,
    log10 = function(x) return math.log(x, 10) end,
  },
}

--- Sets these names in a script's globals. What is there already stays. Another table than `_G` gets libraries of its
--- own, so that nobody else sees the additions.
--- @param env? table `_G` without it
function lua51.install(env)
  env = env or _G
  for _, name in ipairs { 'getfenv', 'setfenv', 'unpack', 'loadstring' } do
    if rawget(env, name) == nil then env[name] = lua51[name] end
  end
  for name, functions in pairs(additions) do
    local library = env[name]
    if env ~= _G and (library == nil or library == _G[name]) then
      library = setmetatable({}, { __index = _G[name] })
      env[name] = library
    end
    for key, f in pairs(functions) do
      if library[key] == nil then library[key] = f end
    end
  end
end

return lua51
