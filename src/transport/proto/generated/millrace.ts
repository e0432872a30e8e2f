import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Ack as _millrace_v1_Ack, Ack__Output as _millrace_v1_Ack__Output } from './millrace/v1/Ack.js';
import type { AuthenticateReply as _millrace_v1_AuthenticateReply, AuthenticateReply__Output as _millrace_v1_AuthenticateReply__Output } from './millrace/v1/AuthenticateReply.js';
import type { AuthenticateRequest as _millrace_v1_AuthenticateRequest, AuthenticateRequest__Output as _millrace_v1_AuthenticateRequest__Output } from './millrace/v1/AuthenticateRequest.js';
import type { BatchChunk as _millrace_v1_BatchChunk, BatchChunk__Output as _millrace_v1_BatchChunk__Output } from './millrace/v1/BatchChunk.js';
import type { BatchFrame as _millrace_v1_BatchFrame, BatchFrame__Output as _millrace_v1_BatchFrame__Output } from './millrace/v1/BatchFrame.js';
import type { BatchHeader as _millrace_v1_BatchHeader, BatchHeader__Output as _millrace_v1_BatchHeader__Output } from './millrace/v1/BatchHeader.js';
import type { BatchTrailer as _millrace_v1_BatchTrailer, BatchTrailer__Output as _millrace_v1_BatchTrailer__Output } from './millrace/v1/BatchTrailer.js';
import type { CirclePing as _millrace_v1_CirclePing, CirclePing__Output as _millrace_v1_CirclePing__Output } from './millrace/v1/CirclePing.js';
import type { Commitment as _millrace_v1_Commitment, Commitment__Output as _millrace_v1_Commitment__Output } from './millrace/v1/Commitment.js';
import type { Deadlines as _millrace_v1_Deadlines, Deadlines__Output as _millrace_v1_Deadlines__Output } from './millrace/v1/Deadlines.js';
import type { DescribeRequest as _millrace_v1_DescribeRequest, DescribeRequest__Output as _millrace_v1_DescribeRequest__Output } from './millrace/v1/DescribeRequest.js';
import type { DigestStatement as _millrace_v1_DigestStatement, DigestStatement__Output as _millrace_v1_DigestStatement__Output } from './millrace/v1/DigestStatement.js';
import type { GatewayClient as _millrace_v1_GatewayClient, GatewayDefinition as _millrace_v1_GatewayDefinition } from './millrace/v1/Gateway.js';
import type { HandshakeClient as _millrace_v1_HandshakeClient, HandshakeDefinition as _millrace_v1_HandshakeDefinition } from './millrace/v1/Handshake.js';
import type { Hello as _millrace_v1_Hello, Hello__Output as _millrace_v1_Hello__Output } from './millrace/v1/Hello.js';
import type { KeyShare as _millrace_v1_KeyShare, KeyShare__Output as _millrace_v1_KeyShare__Output } from './millrace/v1/KeyShare.js';
import type { NodeDescription as _millrace_v1_NodeDescription, NodeDescription__Output as _millrace_v1_NodeDescription__Output } from './millrace/v1/NodeDescription.js';
import type { NodeReport as _millrace_v1_NodeReport, NodeReport__Output as _millrace_v1_NodeReport__Output } from './millrace/v1/NodeReport.js';
import type { OnlineReport as _millrace_v1_OnlineReport, OnlineReport__Output as _millrace_v1_OnlineReport__Output } from './millrace/v1/OnlineReport.js';
import type { OutcomeReply as _millrace_v1_OutcomeReply, OutcomeReply__Output as _millrace_v1_OutcomeReply__Output } from './millrace/v1/OutcomeReply.js';
import type { OutcomeRequest as _millrace_v1_OutcomeRequest, OutcomeRequest__Output as _millrace_v1_OutcomeRequest__Output } from './millrace/v1/OutcomeRequest.js';
import type { OutputsFrame as _millrace_v1_OutputsFrame, OutputsFrame__Output as _millrace_v1_OutputsFrame__Output } from './millrace/v1/OutputsFrame.js';
import type { OutputsHeader as _millrace_v1_OutputsHeader, OutputsHeader__Output as _millrace_v1_OutputsHeader__Output } from './millrace/v1/OutputsHeader.js';
import type { OutputsRequest as _millrace_v1_OutputsRequest, OutputsRequest__Output as _millrace_v1_OutputsRequest__Output } from './millrace/v1/OutputsRequest.js';
import type { PingReply as _millrace_v1_PingReply, PingReply__Output as _millrace_v1_PingReply__Output } from './millrace/v1/PingReply.js';
import type { PingRequest as _millrace_v1_PingRequest, PingRequest__Output as _millrace_v1_PingRequest__Output } from './millrace/v1/PingRequest.js';
import type { ProgressReport as _millrace_v1_ProgressReport, ProgressReport__Output as _millrace_v1_ProgressReport__Output } from './millrace/v1/ProgressReport.js';
import type { RegisterReply as _millrace_v1_RegisterReply, RegisterReply__Output as _millrace_v1_RegisterReply__Output } from './millrace/v1/RegisterReply.js';
import type { RegisterRequest as _millrace_v1_RegisterRequest, RegisterRequest__Output as _millrace_v1_RegisterRequest__Output } from './millrace/v1/RegisterRequest.js';
import type { RegistrationRequest as _millrace_v1_RegistrationRequest, RegistrationRequest__Output as _millrace_v1_RegistrationRequest__Output } from './millrace/v1/RegistrationRequest.js';
import type { RoundError as _millrace_v1_RoundError, RoundError__Output as _millrace_v1_RoundError__Output } from './millrace/v1/RoundError.js';
import type { RoundReference as _millrace_v1_RoundReference, RoundReference__Output as _millrace_v1_RoundReference__Output } from './millrace/v1/RoundReference.js';
import type { RoundTrip as _millrace_v1_RoundTrip, RoundTrip__Output as _millrace_v1_RoundTrip__Output } from './millrace/v1/RoundTrip.js';
import type { RoundTripsReport as _millrace_v1_RoundTripsReport, RoundTripsReport__Output as _millrace_v1_RoundTripsReport__Output } from './millrace/v1/RoundTripsReport.js';
import type { RoundsReply as _millrace_v1_RoundsReply, RoundsReply__Output as _millrace_v1_RoundsReply__Output } from './millrace/v1/RoundsReply.js';
import type { RoundsRequest as _millrace_v1_RoundsRequest, RoundsRequest__Output as _millrace_v1_RoundsRequest__Output } from './millrace/v1/RoundsRequest.js';
import type { SchedulerClient as _millrace_v1_SchedulerClient, SchedulerDefinition as _millrace_v1_SchedulerDefinition } from './millrace/v1/Scheduler.js';
import type { ScreenReply as _millrace_v1_ScreenReply, ScreenReply__Output as _millrace_v1_ScreenReply__Output } from './millrace/v1/ScreenReply.js';
import type { ScreenRequest as _millrace_v1_ScreenRequest, ScreenRequest__Output as _millrace_v1_ScreenRequest__Output } from './millrace/v1/ScreenRequest.js';
import type { SeenReport as _millrace_v1_SeenReport, SeenReport__Output as _millrace_v1_SeenReport__Output } from './millrace/v1/SeenReport.js';
import type { SignedRoundInfo as _millrace_v1_SignedRoundInfo, SignedRoundInfo__Output as _millrace_v1_SignedRoundInfo__Output } from './millrace/v1/SignedRoundInfo.js';
import type { StageReport as _millrace_v1_StageReport, StageReport__Output as _millrace_v1_StageReport__Output } from './millrace/v1/StageReport.js';
import type { SubmitRequest as _millrace_v1_SubmitRequest, SubmitRequest__Output as _millrace_v1_SubmitRequest__Output } from './millrace/v1/SubmitRequest.js';
import type { TableProposal as _millrace_v1_TableProposal, TableProposal__Output as _millrace_v1_TableProposal__Output } from './millrace/v1/TableProposal.js';
import type { TableVerdict as _millrace_v1_TableVerdict, TableVerdict__Output as _millrace_v1_TableVerdict__Output } from './millrace/v1/TableVerdict.js';
import type { TeamClient as _millrace_v1_TeamClient, TeamDefinition as _millrace_v1_TeamDefinition } from './millrace/v1/Team.js';
import type { TeamEnvelope as _millrace_v1_TeamEnvelope, TeamEnvelope__Output as _millrace_v1_TeamEnvelope__Output } from './millrace/v1/TeamEnvelope.js';
import type { TokenReply as _millrace_v1_TokenReply, TokenReply__Output as _millrace_v1_TokenReply__Output } from './millrace/v1/TokenReply.js';
import type { TokenRequest as _millrace_v1_TokenRequest, TokenRequest__Output as _millrace_v1_TokenRequest__Output } from './millrace/v1/TokenRequest.js';
import type { Update as _millrace_v1_Update, Update__Output as _millrace_v1_Update__Output } from './millrace/v1/Update.js';
import type { UpdatesRequest as _millrace_v1_UpdatesRequest, UpdatesRequest__Output as _millrace_v1_UpdatesRequest__Output } from './millrace/v1/UpdatesRequest.js';
import type { WantedReport as _millrace_v1_WantedReport, WantedReport__Output as _millrace_v1_WantedReport__Output } from './millrace/v1/WantedReport.js';
import type { WarmFrame as _millrace_v1_WarmFrame, WarmFrame__Output as _millrace_v1_WarmFrame__Output } from './millrace/v1/WarmFrame.js';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  millrace: {
    v1: {
      Ack: MessageTypeDefinition<_millrace_v1_Ack, _millrace_v1_Ack__Output>
      AuthenticateReply: MessageTypeDefinition<_millrace_v1_AuthenticateReply, _millrace_v1_AuthenticateReply__Output>
      AuthenticateRequest: MessageTypeDefinition<_millrace_v1_AuthenticateRequest, _millrace_v1_AuthenticateRequest__Output>
      BatchChunk: MessageTypeDefinition<_millrace_v1_BatchChunk, _millrace_v1_BatchChunk__Output>
      BatchFrame: MessageTypeDefinition<_millrace_v1_BatchFrame, _millrace_v1_BatchFrame__Output>
      BatchHeader: MessageTypeDefinition<_millrace_v1_BatchHeader, _millrace_v1_BatchHeader__Output>
      BatchTrailer: MessageTypeDefinition<_millrace_v1_BatchTrailer, _millrace_v1_BatchTrailer__Output>
      CirclePing: MessageTypeDefinition<_millrace_v1_CirclePing, _millrace_v1_CirclePing__Output>
      Commitment: MessageTypeDefinition<_millrace_v1_Commitment, _millrace_v1_Commitment__Output>
      Deadlines: MessageTypeDefinition<_millrace_v1_Deadlines, _millrace_v1_Deadlines__Output>
      DescribeRequest: MessageTypeDefinition<_millrace_v1_DescribeRequest, _millrace_v1_DescribeRequest__Output>
      DigestStatement: MessageTypeDefinition<_millrace_v1_DigestStatement, _millrace_v1_DigestStatement__Output>
      Gateway: SubtypeConstructor<typeof grpc.Client, _millrace_v1_GatewayClient> & { service: _millrace_v1_GatewayDefinition }
      Handshake: SubtypeConstructor<typeof grpc.Client, _millrace_v1_HandshakeClient> & { service: _millrace_v1_HandshakeDefinition }
      Hello: MessageTypeDefinition<_millrace_v1_Hello, _millrace_v1_Hello__Output>
      KeyShare: MessageTypeDefinition<_millrace_v1_KeyShare, _millrace_v1_KeyShare__Output>
      NodeDescription: MessageTypeDefinition<_millrace_v1_NodeDescription, _millrace_v1_NodeDescription__Output>
      NodeReport: MessageTypeDefinition<_millrace_v1_NodeReport, _millrace_v1_NodeReport__Output>
      OnlineReport: MessageTypeDefinition<_millrace_v1_OnlineReport, _millrace_v1_OnlineReport__Output>
      OutcomeReply: MessageTypeDefinition<_millrace_v1_OutcomeReply, _millrace_v1_OutcomeReply__Output>
      OutcomeRequest: MessageTypeDefinition<_millrace_v1_OutcomeRequest, _millrace_v1_OutcomeRequest__Output>
      OutputsFrame: MessageTypeDefinition<_millrace_v1_OutputsFrame, _millrace_v1_OutputsFrame__Output>
      OutputsHeader: MessageTypeDefinition<_millrace_v1_OutputsHeader, _millrace_v1_OutputsHeader__Output>
      OutputsRequest: MessageTypeDefinition<_millrace_v1_OutputsRequest, _millrace_v1_OutputsRequest__Output>
      PingReply: MessageTypeDefinition<_millrace_v1_PingReply, _millrace_v1_PingReply__Output>
      PingRequest: MessageTypeDefinition<_millrace_v1_PingRequest, _millrace_v1_PingRequest__Output>
      ProgressReport: MessageTypeDefinition<_millrace_v1_ProgressReport, _millrace_v1_ProgressReport__Output>
      RegisterReply: MessageTypeDefinition<_millrace_v1_RegisterReply, _millrace_v1_RegisterReply__Output>
      RegisterRequest: MessageTypeDefinition<_millrace_v1_RegisterRequest, _millrace_v1_RegisterRequest__Output>
      RegistrationRequest: MessageTypeDefinition<_millrace_v1_RegistrationRequest, _millrace_v1_RegistrationRequest__Output>
      RoundError: MessageTypeDefinition<_millrace_v1_RoundError, _millrace_v1_RoundError__Output>
      RoundReference: MessageTypeDefinition<_millrace_v1_RoundReference, _millrace_v1_RoundReference__Output>
      RoundTrip: MessageTypeDefinition<_millrace_v1_RoundTrip, _millrace_v1_RoundTrip__Output>
      RoundTripsReport: MessageTypeDefinition<_millrace_v1_RoundTripsReport, _millrace_v1_RoundTripsReport__Output>
      RoundsReply: MessageTypeDefinition<_millrace_v1_RoundsReply, _millrace_v1_RoundsReply__Output>
      RoundsRequest: MessageTypeDefinition<_millrace_v1_RoundsRequest, _millrace_v1_RoundsRequest__Output>
      Scheduler: SubtypeConstructor<typeof grpc.Client, _millrace_v1_SchedulerClient> & { service: _millrace_v1_SchedulerDefinition }
      ScreenReply: MessageTypeDefinition<_millrace_v1_ScreenReply, _millrace_v1_ScreenReply__Output>
      ScreenRequest: MessageTypeDefinition<_millrace_v1_ScreenRequest, _millrace_v1_ScreenRequest__Output>
      SeenReport: MessageTypeDefinition<_millrace_v1_SeenReport, _millrace_v1_SeenReport__Output>
      SignedRoundInfo: MessageTypeDefinition<_millrace_v1_SignedRoundInfo, _millrace_v1_SignedRoundInfo__Output>
      StageReport: MessageTypeDefinition<_millrace_v1_StageReport, _millrace_v1_StageReport__Output>
      SubmitRequest: MessageTypeDefinition<_millrace_v1_SubmitRequest, _millrace_v1_SubmitRequest__Output>
      TableProposal: MessageTypeDefinition<_millrace_v1_TableProposal, _millrace_v1_TableProposal__Output>
      TableVerdict: MessageTypeDefinition<_millrace_v1_TableVerdict, _millrace_v1_TableVerdict__Output>
      Team: SubtypeConstructor<typeof grpc.Client, _millrace_v1_TeamClient> & { service: _millrace_v1_TeamDefinition }
      TeamEnvelope: MessageTypeDefinition<_millrace_v1_TeamEnvelope, _millrace_v1_TeamEnvelope__Output>
      TokenReply: MessageTypeDefinition<_millrace_v1_TokenReply, _millrace_v1_TokenReply__Output>
      TokenRequest: MessageTypeDefinition<_millrace_v1_TokenRequest, _millrace_v1_TokenRequest__Output>
      Update: MessageTypeDefinition<_millrace_v1_Update, _millrace_v1_Update__Output>
      UpdatesRequest: MessageTypeDefinition<_millrace_v1_UpdatesRequest, _millrace_v1_UpdatesRequest__Output>
      WantedReport: MessageTypeDefinition<_millrace_v1_WantedReport, _millrace_v1_WantedReport__Output>
      WarmFrame: MessageTypeDefinition<_millrace_v1_WarmFrame, _millrace_v1_WarmFrame__Output>
    }
  }
}

