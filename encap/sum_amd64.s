#include "textflag.h"

// func sumBlocks(b []byte) uint64
//
// SSE2, which every amd64 has. Each 64-bit word x counts as its two halves. X4 and X5
// add up x itself and lose what overflows; X6 and X7 add up x>>32, and lose nothing. So
// the sum of the upper halves, H, is exact, and that of the lower ones is what is left
// of the first modulo 2^64, less H<<32: three instructions for 16 bytes, no carries.
TEXT ·sumBlocks(SB), NOSPLIT, $0-32
	MOVQ b_base+0(FP), SI
	MOVQ b_len+8(FP), CX
	PXOR X4, X4
	PXOR X5, X5
	PXOR X6, X6
	PXOR X7, X7
	SHRQ $6, CX
	JZ   done

loop:
	MOVOU (SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	PADDQ X0, X4
	PADDQ X1, X5
	PSRLQ $32, X0
	PSRLQ $32, X1
	PADDQ X2, X4
	PADDQ X3, X5
	PSRLQ $32, X2
	PSRLQ $32, X3
	PADDQ X0, X6
	PADDQ X1, X7
	PADDQ X2, X6
	PADDQ X3, X7
	ADDQ  $64, SI
	DECQ  CX
	JNZ   loop

done:
	PADDQ  X5, X4
	PADDQ  X7, X6
	PSHUFD $0x4e, X4, X5 // the two lanes of each
	PSHUFD $0x4e, X6, X7
	PADDQ  X5, X4
	PADDQ  X7, X6
	MOVQ   X4, AX
	MOVQ   X6, BX
	MOVQ   BX, DX
	SHLQ   $32, DX
	SUBQ   DX, AX        // the lower halves
	ADDQ   BX, AX
	MOVQ   AX, ret+24(FP)
	RET
