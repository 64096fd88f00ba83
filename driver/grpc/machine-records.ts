import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeAtomically } from '../../engine/storage/atomic-file';
import { machinePaths } from '../config/machine-paths';
import { DriverError } from '../errors';
import { DRIVER_NAME } from '../hyperkit-driver';
