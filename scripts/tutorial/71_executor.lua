--- concurrent.futures: with ProcessPoolExecutor() as e: zip(PRIMES, e.map(is_prime, PRIMES))
--
-- Output:
--   112272535095293 is prime: true
--   115280095190773 is prime: true
--   1099726899285419 is prime: false

local mp = require "multiprocessing"

local PRIMES = { 112272535095293, 115280095190773, 1099726899285419 }

local function is_prime(n)
  if n % 2 == 0 then return n == 2 end
  for i = 3, math.floor(math.sqrt(n)), 2 do
    if n % i == 0 then return false end
  end
  return n > 1
end

local executor <close> = mp.ProcessPoolExecutor()
for i, prime in executor:map(is_prime, PRIMES) do
  print(("%d is prime: %s"):format(PRIMES[i], prime))
end
